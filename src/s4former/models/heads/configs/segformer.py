"""SegFormer's head as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from s4former.models.heads.configs.base import HeadConfig, evenly

if TYPE_CHECKING:
    from s4former.models.heads.segformer import SegFormerHead


class FusingConfig(HeadConfig):
    """What both heads of SegFormer have in common."""

    channels: int = Field(256, ge=1)
    """Channels that the grids are mapped to."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Probability that a channel is dropped from what the classifier sees."""

    def looks_at(self, depth: int) -> tuple[int, ...]:
        """Return all four stages, or four blocks of a plain transformer."""
        return evenly(depth, 4)


class SegFormerConfig(FusingConfig):
    """Linear maps of all stages, fused at the finest grid, as SegFormer was published."""

    name: Literal["segformer"] = "segformer"
    """The name of this file."""

    def build(self, widths: tuple[int, ...], num_classes: int) -> SegFormerHead:
        """Return the head with random weights."""
        from s4former.models.heads.segformer import SegFormerHead

        return SegFormerHead(widths, self, num_classes)
