"""The DPT head as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from s4former.models.heads.configs.base import HeadConfig, evenly

if TYPE_CHECKING:
    from s4former.models.heads.dpt import DPTHead

FourChannels = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]

# Width of the transformer: channels of the maps that are fused, and of the four before them.
_PUBLISHED: dict[int, tuple[int, FourChannels]] = {
    384: (64, (48, 96, 192, 384)),
    768: (128, (96, 192, 384, 768)),
    1024: (256, (256, 512, 1024, 1024)),
    1536: (384, (1536, 1536, 1536, 1536)),
}


class DPTConfig(HeadConfig):
    """Four blocks made into a pyramid and fused from coarse to fine, as in Depth Anything and UniMatch V2."""

    name: Literal["dpt"] = "dpt"
    """The name of this file."""
    out_indices: tuple[int, int, int, int] | None = None
    """The four blocks that the head sees: from 0, or from the end as -1. Null: the published ones."""
    features: Annotated[int, Field(ge=1)] | None = None
    """Channels of the maps that are fused; null: 64 to 384 by the backbone's width, as published."""
    out_channels: FourChannels | None = None
    """Channels of each block's map before that; null: as published for the backbone's width."""

    @property
    def wants_final_norm(self) -> bool:
        """Whether it looks through the final norm: it has no norm at all."""
        return True

    def looks_at(self, depth: int) -> tuple[int, ...]:
        """Return the published blocks: every quarter's last one, but the fifth of 24."""
        if depth == 24:
            return 4, 11, 17, 23
        return evenly(depth, 4) if depth >= 4 else (0,) * (4 - depth) + tuple(range(depth))

    def build(self, widths: tuple[int, ...], num_classes: int) -> DPTHead:
        """Return the head with random weights."""
        from s4former.models.heads.dpt import DPTHead

        width = min((known for known in _PUBLISHED if known >= widths[-1]), default=max(_PUBLISHED))
        features, out_channels = _PUBLISHED[width]
        return DPTHead(widths, self.out_channels or out_channels, self.features or features, num_classes)
