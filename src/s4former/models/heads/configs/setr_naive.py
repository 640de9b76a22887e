"""SETR-Naive as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from s4former.models.heads.configs.base import OneGridConfig

if TYPE_CHECKING:
    from s4former.models.heads.setr_naive import SETRNaiveHead


class SETRNaiveConfig(OneGridConfig):
    """Two 1x1 convolutions, and upsampling."""

    name: Literal["setr_naive"] = "setr_naive"
    """The name of this file."""
    channels: int = Field(256, ge=1)
    """Channels between the two convolutions."""
    scale: int = Field(4, ge=1)
    """Factor of a first upsampling, before the one to the size of the images."""

    def build(self, widths: tuple[int, ...], num_classes: int) -> SETRNaiveHead:
        """Return the head with random weights."""
        from s4former.models.heads.setr_naive import SETRNaiveHead

        (width,) = widths
        return SETRNaiveHead(width, self, num_classes)
