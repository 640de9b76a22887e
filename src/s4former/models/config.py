"""What a network is, as data. Knows no torch, so that a config can be read and checked in an instant."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from s4former.config.base import Config

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class CustomViT(Config):
    """Sizes of a plain ViT that has no name in timm; used with ``backbone: vit``."""

    image_size: tuple[int, int]
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

    @model_validator(mode="after")
    def _sizes_divide(self) -> Self:
        if any(side < self.patch_size or side % self.patch_size for side in self.image_size):
            raise ValueError(
                f"sides of image_size {self.image_size} must be multiples of patch_size={self.patch_size}"
            )
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim={self.embed_dim} does not divide into num_heads={self.num_heads}")
        return self


class ModelConfig(Config):
    """A plain ViT, which of its blocks are looked at, and the head that turns them into logits."""

    backbone: str = "vit_small_patch14_dinov2"
    """A plain vision transformer of timm by its name, or ``vit`` for the sizes in ``custom``."""

    custom: CustomViT | None = None
    """Sizes of the backbone ``vit``."""

    pretrained: str = "none"
    """Where the backbone's weights come from: a file, ``hub`` (timm's own for that name) or ``none``."""

    strict_weights: bool = True
    """Stop if a weight file lacks a tensor of the backbone or holds one it doesn't know."""

    image_size: tuple[int, int] | None = None
    """Height and width that a timm backbone keeps its position embedding for; null is its native size.
    Images may have any size: the embedding is resized to their patch grid on the fly."""

    position_interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """How the position embedding is resized to another patch grid."""

    taps: tuple[int, ...] = Field((-1,), min_length=1)
    """Blocks whose output the head sees, counted from 0, or from the end as -1. Later blocks are left out."""

    norm_taps: bool = False
    """Apply the backbone's final norm to its taps; each head has a norm of its own in any case."""

    head: Literal["setr_pup", "linear"] = "setr_pup"
    """``setr_pup``: convolutions and x2 upsampling in turn. ``linear``: one linear map of normalized taps."""

    head_channels: int = Field(256, ge=1)
    """Channels of the convolutions of ``setr_pup``, auxiliary heads included."""

    head_convs: int = Field(4, ge=1)
    """Convolutions of ``setr_pup``, with x2 upsampling between them."""

    auxiliary_taps: tuple[int, ...] = ()
    """Blocks that get an auxiliary head, which only the labeled loss sees; a block may be named twice."""

    auxiliary_convs: int = Field(2, ge=1)
    """Convolutions of an auxiliary head, with x4 upsampling between them."""

    frozen_blocks: int = Field(0, ge=0)
    """If above 0, the patch embedding and so many first blocks keep their weights and build no graph."""

    recompute_activations: Literal["none", "heads", "all"] = "none"
    """What is computed again in the backward pass instead of kept: nothing, the heads, or the heads and the
    trained blocks. Less memory for more time, about a third for ``all``."""

    mean: tuple[float, float, float] = IMAGENET_MEAN
    """Mean of the red, green and blue values, in [0, 1], that the backbone was trained with."""

    std: tuple[float, float, float] = IMAGENET_STD
    """Standard deviation of the red, green and blue values that the backbone was trained with."""

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        if (self.backbone == "vit") != (self.custom is not None):
            raise ValueError(
                "`custom` gives the sizes of the backbone `vit` and of no other, got "
                f"backbone={self.backbone!r} with custom={'its sizes' if self.custom else 'null'}; "
                "set both, or name a timm model"
            )
        if self.custom and self.image_size:
            raise ValueError("a backbone `vit` takes its image size from custom.image_size; drop image_size")
        if self.custom and self.pretrained == "hub":
            raise ValueError("the hub has no weights of a custom `vit`; give pretrained a file, or `none`")
        if self.head == "setr_pup" and len(self.taps) != 1:
            raise ValueError(
                f"the head setr_pup sees one tap, got taps={list(self.taps)}; use head=linear for more"
            )
        if self.head == "linear" and self.auxiliary_taps:
            raise ValueError("auxiliary heads belong to head=setr_pup; set auxiliary_taps=[] for head=linear")
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {list(self.std)}")
        return self
