"""The head of SegFormer as MMSegmentation and the S4Former release have it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.nn import functional as F

from s4former.models.heads.configs.segformer import FusingConfig
from s4former.models.heads.segformer import FusingHead
from s4former.types import Features, Logits


class SegFormerConvHead(FusingHead):
    """The head of MMSegmentation and of the S4Former release.

    Source:
        mmseg's ``SegformerHead`` as the release configures it (256 channels). Compared with the same layers
        in their plain order, to 1e-12 in float64; no numbers of the release were recorded for it.
    """

    convs: nn.ModuleList
    norms: nn.ModuleList

    def __init__(self, widths: Sequence[int], config: FusingConfig, num_classes: int) -> None:
        convs = nn.ModuleList(nn.Conv2d(width, config.channels, 1, bias=False) for width in widths)
        norms = nn.ModuleList(nn.BatchNorm2d(config.channels) for _ in widths)
        for conv in convs:
            nn.init.kaiming_normal_(conv.get_parameter("weight"), mode="fan_out", nonlinearity="relu")
        super().__init__(config, num_classes, convs=convs, norms=norms)

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width), the finest grid first."""
        parts = self.fuse.weight.chunk(len(grids), dim=1)
        layers = zip(grids, self.convs, self.norms, parts, strict=True)
        return self._fused(
            [F.conv2d(F.relu(norm(conv(grid)), inplace=True), part) for grid, conv, norm, part in layers],
            size,
        )
