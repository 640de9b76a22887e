"""What a head is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from s4former.types import Features, Logits


class Head(nn.Module, ABC):
    """Turns the grids that it looks at into logits."""

    @abstractmethod
    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width) from "b d gh gw" grids, ordered as ``out_indices``."""
