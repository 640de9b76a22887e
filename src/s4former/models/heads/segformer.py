"""The all-MLP head of SegFormer: every stage mapped to the same channels, upsampled and fused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import nn
from torch.nn import functional as F

from s4former.models.fast_linear import FastLinear, fast_linear
from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Logits


class SegFormerHead(nn.Module):
    """A linear map of each stage, upsampling to the finest, a fusing 1x1 convolution, and a 1x1 classifier.

    Source:
        Xie et al., NeurIPS 2021 (SegFormer); logits equal those of ``transformers`` to 1e-5. mmseg's
        ``SegformerHead`` has a batch norm and ReLU after each linear map as well; the paper and the official
        code do not. **We differ:** the fusing convolution is linear in each stage, and 1x1 maps commute with
        bilinear interpolation, whose weights sum to one. So each stage meets the product of its linear map
        and its part of the convolution, on its own grid, before it is upsampled: the same numbers to
        rounding, for less than a tenth of the arithmetic, and without the four upsampled maps side by side.
    """

    def __init__(self, widths: Sequence[int], channels: int, num_classes: int, dropout: float = 0.1) -> None:
        """Build a head with random weights.

        Args:
            widths: Channels of each stage's grid, from fine to coarse.
            channels: Channels that the stages are mapped to.
            num_classes: Number of classes.
            dropout: Probability that a channel is left out of what the classifier sees.
        """
        super().__init__()
        self.projections = nn.ModuleList(FastLinear(width, channels) for width in widths)
        # As in the authors' code, its inputs are the coarsest stage's channels first.
        self.fuse = nn.Conv2d(channels * len(widths), channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        nn.init.kaiming_normal_(self.fuse.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width) from one "b d gh gw" grid a stage, the finest first."""
        finest = (grids[0].shape[-2], grids[0].shape[-1])
        parts = reversed(self.fuse.weight.flatten(1).chunk(len(grids), dim=1))
        maps = []
        for grid, projection, part in zip(grids, self.projections, parts, strict=True):
            weight, bias = (part @ projection.get_parameter(name) for name in ("weight", "bias"))
            mapped = fast_linear(grid.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)
            maps.append(resize_bilinear(mapped, finest))
        fused = reduce(torch.add, maps)
        x = self.dropout(F.relu(self.norm(fused), inplace=True))
        return resize_bilinear(self.classifier(x).contiguous(), size)
