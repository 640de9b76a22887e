"""A plain vision transformer of sizes that have no name in timm, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from s4former.models.backbones.configs.base import ViTOptions

if TYPE_CHECKING:
    from s4former.models.backbones.timm import TimmBackbone


class ViTConfig(ViTOptions):
    """Sizes of a plain ViT."""

    name: Literal["vit"] = "vit"
    """The name of this file."""
    image_size: tuple[int, int] = (224, 224)
    """Height and width in pixels that the position embedding is made for; other sizes work too."""
    patch_size: int = Field(16, ge=1)
    """Pixels per side of a token."""
    embed_dim: int = Field(192, ge=1)
    """Width of a token."""
    depth: int = Field(12, ge=1)
    """Number of blocks."""
    num_heads: int = Field(3, ge=1)
    """Attention heads; they share ``embed_dim`` evenly."""
    mlp_ratio: float = Field(4.0, gt=0)
    """Width of a block's hidden layer as a multiple of ``embed_dim``."""
    num_registers: int = Field(0, ge=0)
    """Register tokens beside the class token."""
    layer_scale: float = Field(0.0, ge=0)
    """What LayerScale multiplies the branches of a block by at first, as in DINOv2; 0: there is none."""

    @model_validator(mode="after")
    def _sizes_divide(self) -> Self:
        if any(side < self.patch_size or side % self.patch_size for side in self.image_size):
            raise ValueError(
                f"sides of image_size {self.image_size} must be multiples of patch_size={self.patch_size}"
            )
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim={self.embed_dim} does not divide into num_heads={self.num_heads}")
        return self

    def build(self, channels: int) -> TimmBackbone:
        """Return the backbone with random weights."""
        from s4former.models.backbones.vit import create

        return create(self, channels)
