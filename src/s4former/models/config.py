"""What a network is, as data. Knows no torch, so that a config can be read and checked in an instant."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from s4former.config.base import Config

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_SEGFORMER_HEADS = ("segformer", "segformer_conv")
STAGES = (0, 1, 2, 3)
"""The stages of a MiT, whose grids have one cell for 4, 8, 16 and 32 pixels."""


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


FourSizes = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]


class CustomMiT(Config):
    """Sizes of a MiT, the hierarchical encoder of SegFormer, stage by stage; used with ``backbone: mit``."""

    embed_dims: FourSizes = (32, 64, 160, 256)
    """Width of a token."""

    depths: FourSizes = (2, 2, 2, 2)
    """Number of blocks."""

    num_heads: FourSizes = (1, 2, 5, 8)
    """Attention heads; they share the width evenly."""

    mlp_ratio: PositiveInt = 4
    """Width of a block's hidden layer as a multiple of the stage's width."""

    @model_validator(mode="after")
    def _sizes_divide(self) -> Self:
        pairs = zip(self.embed_dims, self.num_heads, strict=True)
        if any(width % heads for width, heads in pairs):
            raise ValueError(
                f"embed_dims={list(self.embed_dims)} do not divide into num_heads={list(self.num_heads)}"
            )
        return self


_WIDE: FourSizes = (64, 128, 320, 512)

MIT_SIZES = {
    "mit_b0": CustomMiT(),
    "mit_b1": CustomMiT(embed_dims=_WIDE),
    "mit_b2": CustomMiT(embed_dims=_WIDE, depths=(3, 4, 6, 3)),
    "mit_b3": CustomMiT(embed_dims=_WIDE, depths=(3, 4, 18, 3)),
    "mit_b4": CustomMiT(embed_dims=_WIDE, depths=(3, 8, 27, 3)),
    "mit_b5": CustomMiT(embed_dims=_WIDE, depths=(3, 6, 40, 3)),
}
"""The published sizes of MiT (Xie et al., NeurIPS 2021)."""


class ModelConfig(Config):
    """A vision transformer, which of its blocks or stages are looked at, and the head that makes logits."""

    backbone: str = "vit_small_patch14_dinov2"
    """A plain vision transformer of timm by its name, or ``vit`` for the sizes in ``custom``; ``mit_b0`` to
    ``mit_b5``, or ``mit`` for the sizes in ``custom_mit``."""

    custom: CustomViT | None = None
    """Sizes of the backbone ``vit``."""

    custom_mit: CustomMiT | None = None
    """Sizes of the backbone ``mit``."""

    channels: PositiveInt = 3
    """Channels of an image. Pretrained patch embeddings, made for three, are adapted to other numbers."""

    pretrained: str = "none"
    """Where the backbone's weights come from: a file, a run or another folder with weights, ``hub`` (timm's
    own for that name; there are none of a MiT, which takes a file) or ``none``."""

    pretrained_part: str | None = None
    """Of a file with several transformers, the one to take, by the names around it, as ``teacher.backbone``;
    ``.`` is the one whose names begin at the top."""

    strict_weights: bool = True
    """Stop if a weight file lacks a tensor of the backbone or holds one it doesn't know."""

    image_size: tuple[int, int] | None = None
    """Height and width that a timm backbone keeps its position embedding for; null is its native size.
    Images may have any size: the embedding is resized to their patch grid on the fly."""

    position_interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """How the position embedding is resized to another patch grid."""

    taps: tuple[int, ...] = Field((-1,), min_length=1)
    """Blocks of a ViT, or stages of a MiT, whose output the head sees, counted from 0, or from the end as -1.
    Later ones are left out. The heads ``segformer`` and ``segformer_conv`` see all four stages."""

    norm_taps: bool = False
    """Apply the ViT's final norm to its taps; its heads have a norm of their own in any case."""

    head: Literal["setr_pup", "linear", "segformer", "segformer_conv"] = "setr_pup"
    """``setr_pup``: convolutions and x2 upsampling in turn. ``linear``: one linear map of normalized taps.
    ``segformer``: linear maps of all stages of a MiT, fused at a quarter of the image's sides, as SegFormer
    was published. ``segformer_conv``: batch norm and ReLU after each of these maps, as MMSegmentation and the
    S4Former release have it."""

    head_channels: int = Field(256, ge=1)
    """Channels inside ``setr_pup``, auxiliary heads included, ``segformer`` and ``segformer_conv``."""

    head_convs: int = Field(4, ge=1)
    """Convolutions of ``setr_pup``, with x2 upsampling between them."""

    auxiliary_taps: tuple[int, ...] = ()
    """Blocks that get an auxiliary head, which only the labeled loss sees; a block may be named twice."""

    auxiliary_convs: int = Field(2, ge=1)
    """Convolutions of an auxiliary head, with x4 upsampling between them."""

    frozen_blocks: int = Field(0, ge=0)
    """If above 0, so many first blocks, and what comes before them, keep their weights and build no graph."""

    drop_path: float = Field(0.0, ge=0, lt=1)
    """Probability that an image skips a block's branch in training: 0 in the first block, this in the last,
    evenly rising between. SegFormer was published with 0.1."""

    biased_stages: tuple[Annotated[int, Field(ge=0, le=3)], ...] = Field((3,), min_length=1)
    """Stages of a MiT whose attention takes the bias that a method asks for; see decision 9."""

    recompute_activations: Literal["none", "heads", "all"] = "none"
    """What is computed again in the backward pass instead of kept: nothing, the heads, or the heads and the
    trained blocks. Less memory for more time, about a third for ``all``."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    """Mean of each channel (red, green, blue), in [0, 1], that the backbone was trained with."""

    std: tuple[float, ...] = IMAGENET_STD
    """Standard deviation of each channel that the backbone was trained with."""

    @property
    def mit(self) -> CustomMiT | None:
        """Sizes of the backbone if it is a MiT, else None."""
        return self.custom_mit if self.backbone == "mit" else MIT_SIZES.get(self.backbone)

    @field_validator("pretrained", mode="before")
    @classmethod
    def _nothing_is_none(cls, value: Any) -> Any:
        """Take ``null``, as YAML and mmsegmentation's users write it, for ``none``."""
        return "none" if value is None else value

    @model_validator(mode="before")
    @classmethod
    def _segformer_sees_all_stages(cls, data: Any) -> Any:
        """Replace the usual tap, of which SegFormer's heads could make nothing, by all stages."""
        usual = cls.model_fields["taps"].default
        if not isinstance(data, dict) or data.get("head") not in _SEGFORMER_HEADS:
            return data
        unsaid = data.get("taps", usual) in (usual, list(usual))
        return data | {"taps": STAGES} if unsaid else data

    @model_validator(mode="after")
    def _backbone_is_one(self) -> Self:
        for name, field in (("vit", "custom"), ("mit", "custom_mit")):
            sizes = getattr(self, field)
            if (self.backbone == name) != (sizes is not None):
                raise ValueError(
                    f"`{field}` gives the sizes of the backbone `{name}` and of no other, got backbone="
                    f"{self.backbone!r} with {field}={'its sizes' if sizes else 'null'}; set both, or name a "
                    "timm model or a mit_b0 to mit_b5"
                )
        if self.backbone.startswith("mit_") and self.mit is None:
            raise ValueError(
                f"there is no backbone {self.backbone!r}; a MiT is one of {', '.join(MIT_SIZES)}"
            )
        if self.pretrained_part is not None and self.pretrained in ("none", "hub"):
            raise ValueError(
                f"pretrained_part chooses among the networks in a file, but pretrained={self.pretrained}; "
                "give pretrained a file, or drop pretrained_part"
            )
        if self.custom and self.image_size:
            raise ValueError("a backbone `vit` takes its image size from custom.image_size; drop image_size")
        if self.backbone in ("vit", "mit") and self.pretrained == "hub":
            raise ValueError(
                f"the hub has no weights of a custom `{self.backbone}`; give pretrained a file, or `none`"
            )
        if self.mit and self.pretrained == "hub":
            raise ValueError(
                f"timm publishes no weights of {self.backbone!r}; give pretrained a file (a mit_b*.pth of "
                "SegFormer's authors, or that of nvidia/mit-b* on the hub), or `none`"
            )
        return self

    @model_validator(mode="after")
    def _fields_of_its_kind(self) -> Self:
        """A field that would do nothing is a mistake."""
        if self.mit is None:
            foreign, kind = ["biased_stages"], "a plain ViT adds an attention bias in all of its blocks"
        else:
            foreign = ["image_size", "norm_taps", "position_interpolation"]
            kind = "a MiT has no position embedding and norms each stage anyway"
        for field in foreign:
            default = type(self).model_fields[field].default
            if getattr(self, field) != default:
                raise ValueError(f"{kind}; leave {field} at {default}")
        if len(set(self.biased_stages)) < len(self.biased_stages):
            raise ValueError(f"biased_stages={list(self.biased_stages)} names a stage twice")
        return self

    @model_validator(mode="after")
    def _head_fits(self) -> Self:
        if self.head == "setr_pup" and len(self.taps) != 1:
            raise ValueError(
                f"the head setr_pup sees one tap, got taps={list(self.taps)}; use head=linear for more"
            )
        if self.head == "setr_pup" and self.mit:
            raise ValueError(
                f"the head setr_pup wants a plain ViT, got backbone={self.backbone!r}; use head=segformer"
            )
        if self.head in _SEGFORMER_HEADS and self.mit is None:
            raise ValueError(
                f"the head {self.head} wants a MiT, got backbone={self.backbone!r}; use one of "
                f"{', '.join(MIT_SIZES)}, or head=setr_pup"
            )
        if self.head in _SEGFORMER_HEADS and self.taps != STAGES:
            raise ValueError(f"the head {self.head} sees taps={list(STAGES)}, got taps={list(self.taps)}")
        if self.head == "linear" and self.mit and len(self.taps) != 1:
            raise ValueError(
                f"stages of a MiT differ in width, so the head linear sees one of them, got taps="
                f"{list(self.taps)}; use head=segformer for all"
            )
        if self.head != "setr_pup" and self.auxiliary_taps:
            raise ValueError(
                f"auxiliary heads belong to head=setr_pup; set auxiliary_taps=[] for head={self.head}"
            )
        return self

    @model_validator(mode="after")
    def _one_number_a_channel(self) -> Self:
        for field in ("mean", "std"):
            given = getattr(self, field)
            if len(given) != self.channels:
                usual = given or type(self).model_fields[field].default
                like = str([round(sum(usual) / len(usual), 3)] * self.channels).replace(" ", "")
                raise ValueError(
                    f"{field} needs one number a channel: got {len(given)} for channels={self.channels}; "
                    f"set it to the statistics of your images, as {field}={like}"
                )
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {list(self.std)}")
        return self
