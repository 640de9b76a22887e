"""Supervised training as data; its module is in `methods/supervised.py`."""

from __future__ import annotations

from typing import Literal

from s4former.methods.configs.base import MethodConfig


class SupervisedConfig(MethodConfig):
    """Cross entropy on the labeled images."""

    name: Literal["supervised"] = "supervised"
    """The method: this file's name."""
