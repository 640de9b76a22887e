"""The released head of SegFormer as data."""

from __future__ import annotations

from typing import Literal

from s4former.models.heads.configs.base import FusingConfig


class SegFormerConvConfig(FusingConfig):
    """The head ``segformer`` with batch norm and ReLU after the map of each grid."""

    name: Literal["segformer_conv"] = "segformer_conv"
    """The name of this file."""
