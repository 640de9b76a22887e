"""The light head: one linear map of normalized features."""

from __future__ import annotations

import torch
from torch import nn

from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Logits


class LinearHead(nn.Module):
    """A layer norm for each tap, then one linear classifier of all taps joined, upsampled to pixels."""

    def __init__(self, width: int, num_taps: int, num_classes: int) -> None:
        """Build a head with random weights.

        Args:
            width: Channels of each feature grid.
            num_taps: Number of feature grids.
            num_classes: Number of classes.
        """
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(num_taps))
        self.classifier = nn.Linear(width * num_taps, num_classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width) from one "b d gh gw" grid a tap."""
        joined = [norm(grid.permute(0, 2, 3, 1)) for norm, grid in zip(self.norms, grids, strict=True)]
        logits = self.classifier(torch.cat(joined, dim=-1))
        return resize_bilinear(logits.permute(0, 3, 1, 2).contiguous(), size)
