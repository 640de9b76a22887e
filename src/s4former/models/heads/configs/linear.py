"""The linear head as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from s4former.models.heads.configs.base import HeadConfig

if TYPE_CHECKING:
    from s4former.models.heads.linear import LinearHead


class LinearConfig(HeadConfig):
    """One linear map of all grids, each normalized."""

    name: Literal["linear"] = "linear"
    """The name of this file."""
    norm: Literal["layer", "batch"] = "layer"
    """What normalizes each grid: ``layer`` norm, or ``batch`` norm behind the transformer's final norm, as in
    DINOv2's probe of frozen features."""

    @property
    def wants_final_norm(self) -> bool:
        """Whether it looks through the final norm: with a batch norm."""
        return self.norm == "batch"

    def build(self, widths: tuple[int, ...], num_classes: int) -> LinearHead:
        """Return the head with random weights."""
        from s4former.models.heads.linear import LinearHead

        return LinearHead(widths, num_classes, self.norm)
