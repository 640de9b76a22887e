"""The heads of SegFormer: every stage mapped to the same channels, upsampled and fused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.models.fast_linear import FastLinear, fast_linear
from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Logits


class _FusingHead(nn.Module):
    """What both heads end with: a 1x1 convolution over all stages, batch norm, ReLU, a 1x1 classifier.

    The convolution is linear in each stage, and 1x1 maps commute with bilinear interpolation, whose weights
    sum to one. So each stage meets its part of the convolution on its own grid, before it is upsampled: the
    same numbers to rounding, for less arithmetic, and without the upsampled maps side by side.
    """

    def __init__(
        self, num_stages: int, channels: int, num_classes: int, dropout: float, **of_each_stage: nn.ModuleList
    ) -> None:
        super().__init__()
        for name, layers in of_each_stage.items():  # first, as the order is that of the optimizer's state
            self.add_module(name, layers)
        self.fuse = nn.Conv2d(channels * num_stages, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        nn.init.kaiming_normal_(self.fuse.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def _fused(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` from each stage's part of the convolution, the finest first."""
        finest = (maps[0].shape[-2], maps[0].shape[-1])
        fused = reduce(torch.add, (resize_bilinear(each, finest) for each in maps))
        x = self.dropout(F.relu(self.norm(fused), inplace=True))
        return resize_bilinear(self.classifier(x).contiguous(), size)


class SegFormerHead(_FusingHead):
    """The published head: a linear map of each stage, and nothing between it and the convolution.

    Source:
        Xie et al., NeurIPS 2021 (SegFormer); logits equal those of ``transformers`` to 1e-5. **We differ:**
        a stage meets the product of its linear map and its part of the convolution, which saves nine tenths
        of the arithmetic.
    """

    projections: nn.ModuleList

    def __init__(self, widths: Sequence[int], channels: int, num_classes: int, dropout: float = 0.1) -> None:
        """Build a head with random weights.

        Args:
            widths: Channels of each stage's grid, from fine to coarse.
            channels: Channels that the stages are mapped to.
            num_classes: Number of classes.
            dropout: Probability that a channel is left out of what the classifier sees.
        """
        projections = nn.ModuleList(FastLinear(width, channels) for width in widths)
        super().__init__(len(widths), channels, num_classes, dropout, projections=projections)

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width) from one "b d gh gw" grid a stage, the finest first."""
        # As in the authors' code, the convolution's inputs are the coarsest stage's channels first.
        parts = reversed(self.fuse.weight.flatten(1).chunk(len(grids), dim=1))
        maps = []
        for grid, projection, part in zip(grids, self.projections, parts, strict=True):
            weight, bias = (part @ projection.get_parameter(name) for name in ("weight", "bias"))
            maps.append(fast_linear(grid.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2))
        return self._fused(maps, size)


class SegFormerConvHead(_FusingHead):
    """The head of MMSegmentation and of the S4Former release: batch norm and ReLU after each stage's map.

    Source:
        mmseg's ``SegformerHead`` as the release configures it (256 channels). Compared with the same layers
        in their plain order, to 1e-12 in float64; no numbers of the release were recorded for it.
    """

    convs: nn.ModuleList
    norms: nn.ModuleList

    def __init__(self, widths: Sequence[int], channels: int, num_classes: int, dropout: float = 0.1) -> None:
        """Build a head with random weights; for the arguments see `SegFormerHead`."""
        convs = nn.ModuleList(nn.Conv2d(width, channels, 1, bias=False) for width in widths)
        norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in widths)
        for conv in convs:
            nn.init.kaiming_normal_(conv.get_parameter("weight"), mode="fan_out", nonlinearity="relu")
        super().__init__(len(widths), channels, num_classes, dropout, convs=convs, norms=norms)

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width) from one "b d gh gw" grid a stage, the finest first."""
        parts = self.fuse.weight.chunk(len(grids), dim=1)
        layers = zip(grids, self.convs, self.norms, parts, strict=True)
        return self._fused(
            [F.conv2d(F.relu(norm(conv(grid)), inplace=True), part) for grid, conv, norm, part in layers],
            size,
        )


SEGFORMER_HEADS: dict[str, type[SegFormerHead | SegFormerConvHead]] = {
    "segformer": SegFormerHead,
    "segformer_conv": SegFormerConvHead,
}
"""The heads that see all stages of a MiT, by the name in the config."""
