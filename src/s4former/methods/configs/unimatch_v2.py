"""UniMatch V2 as data; its module is in `methods/unimatch_v2.py`."""

from __future__ import annotations

from typing import Literal

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import ComplementaryViewsConfig


class UniMatchV2Config(ComplementaryViewsConfig, MethodConfig):
    """Two strong views with complementary channel dropout; the defaults are the published ones."""

    name: Literal["unimatch_v2"] = "unimatch_v2"
    """The method: this file's name."""
