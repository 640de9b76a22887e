"""SETR-Naive: two 1x1 convolutions and bilinear upsampling."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.models.heads.base import Head
from s4former.models.heads.configs.setr_naive import SETRNaiveConfig
from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Logits


class PointStage(nn.Module):
    """1x1 convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Return a map of the same size."""
        return F.relu(self.norm(self.conv(x)), inplace=True)


class SETRNaiveHead(Head):
    """Layer norm, a 1x1 convolution with batch norm and ReLU, a 1x1 classifier, and upsampling in two steps.

    Source:
        Zheng et al., CVPR 2021 (SETR-Naive); mmseg's ``SETRUPHead`` as its ``setr_naive`` configures it, by
        whose names checkpoints load. Compared with the same layers in their plain order, to 1e-12 in float64.
        **We differ:** the classifier comes before the first upsampling, with which it commutes.
    """

    def __init__(self, width: int, config: SETRNaiveConfig, num_classes: int) -> None:
        super().__init__()
        self.scale = config.scale
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.stages = nn.Sequential(PointStage(width, config.channels))
        self.classifier = nn.Conv2d(config.channels, num_classes, 1)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width)."""
        (grid,) = grids
        x = self.norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        logits = self.classifier(self.stages(x)).contiguous()
        between = (logits.shape[-2] * self.scale, logits.shape[-1] * self.scale)
        return resize_bilinear(resize_bilinear(logits, between), size)
