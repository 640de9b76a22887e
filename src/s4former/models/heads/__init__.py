"""Segmentation heads, one file each: from feature grids to logits."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from s4former.models.heads.configs.base import HEADS, HeadConfig, HeadField

if TYPE_CHECKING:
    from s4former.models.heads.base import Head

__all__ = ["HEADS", "Head", "HeadConfig", "HeadField"]


def __getattr__(name: str) -> Any:
    if name != "Head":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.base"), name)  # late, as it needs torch
