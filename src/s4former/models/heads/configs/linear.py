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

    def build(self, widths: tuple[int, ...], num_classes: int) -> LinearHead:
        """Return the head with random weights."""
        from s4former.models.heads.linear import LinearHead

        return LinearHead(widths, num_classes)
