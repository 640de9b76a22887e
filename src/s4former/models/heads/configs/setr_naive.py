"""SETR-Naive as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from s4former.models.heads.configs.base import HeadConfig, require_one_grid

if TYPE_CHECKING:
    from s4former.models.heads.setr_naive import SETRNaiveHead


class SETRNaiveConfig(HeadConfig):
    """Two 1x1 convolutions, and upsampling."""

    name: Literal["setr_naive"] = "setr_naive"
    """The name of this file."""
    channels: int = Field(256, ge=1)
    """Channels between the two convolutions."""
    scale: int = Field(4, ge=1)
    """Factor of a first upsampling, before the one to the size of the images."""

    @model_validator(mode="after")
    def _sees_one_grid(self) -> Self:
        require_one_grid(self)
        return self

    def build(self, widths: tuple[int, ...], num_classes: int) -> SETRNaiveHead:
        """Return the head with random weights."""
        from s4former.models.heads.setr_naive import SETRNaiveHead

        (width,) = widths
        return SETRNaiveHead(width, self, num_classes)
