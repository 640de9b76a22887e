"""Backbones, one file each: from images to feature grids.

A name that is neither a file here nor an import path means timm's model of that name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from s4former.models.backbones.configs.base import BACKBONES, BackboneConfig, BackboneField

if TYPE_CHECKING:
    from s4former.models.backbones.base import Backbone

__all__ = ["BACKBONES", "Backbone", "BackboneConfig", "BackboneField"]


def __getattr__(name: str) -> Any:
    if name != "Backbone":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.base"), name)  # late, as it needs torch
