"""SETR-PUP as data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from s4former.models.heads.configs.base import OneGridConfig


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
