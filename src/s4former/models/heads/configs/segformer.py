"""SegFormer's head as data."""

from __future__ import annotations

from typing import Literal

from s4former.models.heads.configs.base import FusingConfig


class SegFormerConfig(FusingConfig):
    """Linear maps of all stages, fused at the finest grid, as SegFormer was published."""

    name: Literal["segformer"] = "segformer"
    """The name of this file."""
