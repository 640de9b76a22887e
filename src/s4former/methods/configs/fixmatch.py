"""FixMatch as data; its module is in `methods/fixmatch.py`."""

from __future__ import annotations

from typing import Literal

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import StrongViewsConfig


class FixMatchConfig(StrongViewsConfig, MethodConfig):
    """Confident pseudo-labels of the student itself, learned on the strong view."""

    name: Literal["fixmatch"] = "fixmatch"
    """The method: this file's name."""
