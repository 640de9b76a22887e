"""The light head: one linear map of normalized features."""

from __future__ import annotations

import torch
from torch import nn

from s4former.models.heads.base import Head
from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Logits


class LinearHead(Head):
    """A layer norm for each grid, then one linear classifier of all joined, upsampled to pixels."""

    def __init__(self, widths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for width in widths)
        self.classifier = nn.Linear(sum(widths), num_classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width); coarser grids are enlarged to the first one's size."""
        finest = (grids[0].shape[-2], grids[0].shape[-1])
        joined = []
        for norm, grid in zip(self.norms, grids, strict=True):
            normed = norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            joined.append(resize_bilinear(normed, finest).permute(0, 2, 3, 1))
        logits = self.classifier(torch.cat(joined, dim=-1))
        return resize_bilinear(logits.permute(0, 3, 1, 2).contiguous(), size)
