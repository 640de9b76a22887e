"""SETR-PUP: progressive upsampling, with a 3x3 convolution before each step."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.models.heads.upsampled_conv import upsampled_conv3x3
from s4former.ops.resize import resize_bilinear
from s4former.types import Logits


class ConvStage(nn.Module):
    """Bilinear upsampling, 3x3 convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Return features of a map ``scale`` times as large."""
        x = self.conv(x) if self.scale == 1 else upsampled_conv3x3(x, self.conv.weight, self.scale)
        return F.relu(self.norm(x), inplace=True)


class SETRPUPHead(nn.Module):
    """Layer norm, convolutions with upsampling between them, a 1x1 classifier, and one more upsampling.

    Source:
        Zheng et al., CVPR 2021 (SETR-PUP); mmseg's ``SETRUPHead`` as the S4Former release configures it
        (golden ``setr_tiny``, to 1e-4). **We differ:** the classifier comes before the last upsampling. A 1x1
        convolution with bias commutes with bilinear interpolation, whose weights sum to one, so the logits
        are the same and the largest map has ``num_classes`` channels in place of ``channels``.
    """

    def __init__(
        self, width: int, channels: int, num_classes: int, num_convs: int = 4, scale: int = 2
    ) -> None:
        """Build a head with random weights.

        Args:
            width: Channels of the feature grid.
            channels: Channels of the convolutions.
            num_classes: Number of classes.
            num_convs: Number of convolutions.
            scale: Factor of the upsampling between two of them.
        """
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        later = [ConvStage(channels, channels, scale) for _ in range(num_convs - 1)]
        self.stages = nn.Sequential(ConvStage(width, channels, 1), *later)
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def forward(self, grid: Float[Tensor, "b d gh gw"], size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width)."""
        x = self.norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        # Losses read logits class by class, so from here on channels lie first.
        logits = self.classifier(self.stages(x)).contiguous()
        return resize_bilinear(logits, size)
