"""SETR-PUP as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from s4former.models.heads.configs.base import OneGridConfig

if TYPE_CHECKING:
    from s4former.models.heads.setr_pup import SETRPUPHead


class SETRPUPConfig(OneGridConfig):
    """Convolutions and upsampling in turn."""

    name: Literal["setr_pup"] = "setr_pup"
    """The name of this file."""
    channels: int = Field(256, ge=1)
    """Channels of the convolutions."""
    num_convs: int = Field(4, ge=1)
    """Number of convolutions."""
    scale: int = Field(2, ge=1)
    """Factor of the upsampling between two of them."""

    def build(self, widths: tuple[int, ...], num_classes: int) -> SETRPUPHead:
        """Return the head with random weights."""
        from s4former.models.heads.setr_pup import SETRPUPHead

        (width,) = widths
        return SETRPUPHead(width, self, num_classes)
