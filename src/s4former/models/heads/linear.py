"""The light head: one linear map of normalized features."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from s4former.models.heads.base import Head
from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Logits


class LinearHead(Head):
    """A norm for each grid, then one linear classifier of all joined, upsampled to pixels.

    Source:
        With batch norms behind the final norm, the probe of Oquab et al., 2023 (DINOv2; its ``BNHead``).
    """

    def __init__(
        self, widths: tuple[int, ...], num_classes: int, norm: Literal["layer", "batch"] = "layer"
    ) -> None:
        super().__init__()
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width) if norm == "batch" else nn.LayerNorm(width, eps=1e-6) for width in widths
        )
        self.classifier = nn.Linear(sum(widths), num_classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width); coarser grids are enlarged to the first one's size."""
        finest = (grids[0].shape[-2], grids[0].shape[-1])
        joined = []
        for norm, grid in zip(self.norms, grids, strict=True):
            over_channels = isinstance(norm, nn.LayerNorm)
            normed = norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) if over_channels else norm(grid)
            joined.append(resize_bilinear(normed, finest).permute(0, 2, 3, 1))
        logits = self.classifier(torch.cat(joined, dim=-1))
        return resize_bilinear(logits.permute(0, 3, 1, 2).contiguous(), size)
