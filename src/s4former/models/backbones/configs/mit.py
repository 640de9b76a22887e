"""MiT, the hierarchical encoder of SegFormer, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, PositiveInt, model_validator

from s4former.config.errors import UserError
from s4former.models.backbones.configs.base import BackboneConfig, DropPath

if TYPE_CHECKING:
    from s4former.models.backbones.mit import MiTBackbone

FourSizes = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
_NARROW: FourSizes = (32, 64, 160, 256)
_WIDE: FourSizes = (64, 128, 320, 512)
# Widths and depths of the published encoders.
_PUBLISHED: dict[str, tuple[FourSizes, FourSizes]] = {
    "mit_b0": (_NARROW, (2, 2, 2, 2)),
    "mit_b1": (_WIDE, (2, 2, 2, 2)),
    "mit_b2": (_WIDE, (3, 4, 6, 3)),
    "mit_b3": (_WIDE, (3, 4, 18, 3)),
    "mit_b4": (_WIDE, (3, 8, 27, 3)),
    "mit_b5": (_WIDE, (3, 6, 40, 3)),
}


class MiTConfig(BackboneConfig):
    """Which MiT: a published one by its name, ``mit_b0`` to ``mit_b5``, or other sizes stage by stage.

    Source:
        Xie et al., NeurIPS 2021 (SegFormer), for the published sizes.
    """

    published: ClassVar[tuple[str, ...]] = tuple(_PUBLISHED)
    """Names of the published sizes."""

    name: str = "mit"
    """``mit_b0`` to ``mit_b5``, or ``mit``, which has the sizes of ``mit_b0`` where none are given."""
    embed_dims: FourSizes | None = None
    """Width of a token; null: as the name says."""
    depths: FourSizes | None = None
    """Number of blocks; null: as the name says."""
    num_heads: FourSizes = (1, 2, 5, 8)
    """Attention heads; they share the width evenly."""
    mlp_ratio: PositiveInt = 4
    """Width of a block's hidden layer as a multiple of the stage's width."""
    drop_path: DropPath = 0.0
    """Probability that an image skips a block's branch in training: 0 in the first block, this in the last,
    evenly rising between. SegFormer was published with 0.1."""
    biased_stages: tuple[Annotated[int, Field(ge=0, le=3)], ...] = Field((3,), min_length=1)
    """Stages whose attention takes the bias that a method asks for; see decision 9."""

    @property
    def widths(self) -> FourSizes:
        """Width of a token, by stage."""
        return self.embed_dims or _PUBLISHED.get(self.name, _PUBLISHED["mit_b0"])[0]

    @property
    def blocks(self) -> FourSizes:
        """Number of blocks, by stage."""
        return self.depths or _PUBLISHED.get(self.name, _PUBLISHED["mit_b0"])[1]

    @model_validator(mode="after")
    def _sizes_divide(self) -> Self:
        if any(width % heads for width, heads in zip(self.widths, self.num_heads, strict=True)):
            raise ValueError(
                f"embed_dims={list(self.widths)} do not divide into num_heads={list(self.num_heads)}"
            )
        return self

    def build(self, channels: int) -> MiTBackbone:
        """Return the backbone with random weights."""
        from s4former.models.backbones.mit import MiTBackbone

        return MiTBackbone(self, channels)

    def hub_name(self) -> str:
        """Say where the weights are to be had."""
        raise UserError(
            f"timm publishes no weights of {self.name!r}; give model.pretrained a file (a mit_b*.pth of "
            "SegFormer's authors, or that of nvidia/mit-b* on the hub), or `none`"
        )
