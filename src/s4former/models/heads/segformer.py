"""The head of SegFormer: every grid mapped linearly to the same channels, upsampled and fused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.models.fast_linear import Product
from s4former.models.heads.base import Head
from s4former.models.heads.configs.segformer import FusingConfig
from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Logits


class FusingHead(Head):
    """What both heads end with: a 1x1 convolution over all grids, batch norm, ReLU, a 1x1 classifier.

    The convolution is linear in each grid, and 1x1 maps commute with bilinear interpolation, whose weights
    sum to one. So each grid meets its part of the convolution at its own size, before it is upsampled: the
    same numbers to rounding, for less arithmetic, and without the upsampled maps side by side.
    """

    def __init__(self, config: FusingConfig, num_classes: int, **of_each_grid: nn.ModuleList) -> None:
        super().__init__()
        for name, layers in of_each_grid.items():  # first, as the order is that of the optimizer's state
            self.add_module(name, layers)
            num_grids = len(layers)
        self.fuse = nn.Conv2d(config.channels * num_grids, config.channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(config.channels)
        self.dropout = nn.Dropout2d(config.dropout)
        self.classifier = nn.Conv2d(config.channels, num_classes, 1)
        nn.init.kaiming_normal_(self.fuse.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def _fused(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` from each grid's part of the convolution, the finest first."""
        finest = (maps[0].shape[-2], maps[0].shape[-1])
        fused = reduce(torch.add, (resize_bilinear(each, finest) for each in maps))
        x = self.dropout(F.relu(self.norm(fused), inplace=True))
        return resize_bilinear(self.classifier(x).contiguous(), size)


class SegFormerHead(FusingHead):
    """The published head: a linear map of each grid, and nothing between it and the convolution.

    Source:
        Xie et al., NeurIPS 2021 (SegFormer); logits equal those of ``transformers`` to 1e-5. **We differ:**
        a grid meets the product of its linear map and its part of the convolution, which saves nine tenths
        of the arithmetic.
    """

    projections: nn.ModuleList

    def __init__(self, widths: Sequence[int], config: FusingConfig, num_classes: int) -> None:
        projections = nn.ModuleList(nn.Linear(width, config.channels) for width in widths)
        super().__init__(config, num_classes, projections=projections)
        self.product = Product()

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width), the finest grid first."""
        # As in the authors' code, the convolution's inputs are the coarsest stage's channels first.
        parts = reversed(self.fuse.weight.flatten(1).chunk(len(grids), dim=1))
        maps = []
        for grid, projection, part in zip(grids, self.projections, parts, strict=True):
            weight, bias = (part @ projection.get_parameter(name) for name in ("weight", "bias"))
            maps.append(self.product(grid.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2))
        return self._fused(maps, size)
