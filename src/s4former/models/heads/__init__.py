"""Segmentation heads, one file each: from feature grids to logits."""

from s4former.models.heads.base import HEADS as HEADS
from s4former.models.heads.base import Head, HeadConfig, HeadField

__all__ = ["HEADS", "Head", "HeadConfig", "HeadField"]
