"""Segmentation heads, one file each: from feature grids to logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily
from s4former.models.heads.configs.base import HEADS, HeadConfig, HeadField

if TYPE_CHECKING:
    from s4former.models.heads.base import Head
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = ["HEADS", "Head", "HeadConfig", "HeadField"]
