"""The released head of SegFormer as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from s4former.models.heads.configs.segformer import FusingConfig

if TYPE_CHECKING:
    from s4former.models.heads.segformer_conv import SegFormerConvHead


class SegFormerConvConfig(FusingConfig):
    """The head ``segformer`` with batch norm and ReLU after the map of each grid."""

    name: Literal["segformer_conv"] = "segformer_conv"
    """The name of this file."""

    def build(self, widths: tuple[int, ...], num_classes: int) -> SegFormerConvHead:
        """Return the head with random weights."""
        from s4former.models.heads.segformer_conv import SegFormerConvHead

        return SegFormerConvHead(widths, self, num_classes)
