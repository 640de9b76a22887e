"""DPT: the grids of four blocks become a pyramid, which is fused from coarse to fine by convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.models.heads.base import Head
from s4former.ops.resize import resize_bilinear
from s4former.types import Features, Logits

Map = Float[Tensor, "b c h w"]


class ResidualUnit(nn.Module):
    """Adds what two 3x3 convolutions, each behind a ReLU, make of a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Map) -> Map:
        """Return a map of the same shape."""
        branch: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + branch


class Fusion(nn.Module):
    """Adds a level of the pyramid to what comes from the coarser ones, and enlarges the sum."""

    def __init__(self, channels: int, coarsest: bool) -> None:
        super().__init__()
        self.enter = None if coarsest else ResidualUnit(channels)
        self.refine = ResidualUnit(channels)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, level: Map, coarser: Map | None, size: tuple[int, int]) -> Float[Tensor, "b c h2 w2"]:
        """Return the fused map at ``size``."""
        if self.enter is not None and coarser is not None:
            level = coarser + self.enter(level)
        return resize_bilinear(self.out(self.refine(level)), size, align_corners=True)


class DPTHead(Head):
    """Four grids, projected, resampled to 4, 2, 1 and 1/2 times their size, and fused to 8 times.

    Source:
        Ranftl et al., ICCV 2021 (DPT), as UniMatch V2 and Depth Anything have it (golden ``unimatch_v2``:
        ``dpt``, to 2e-4), with torch's first weights as there. **We differ:** 1x1 convolutions come before an
        upsampling, with which they commute, and the residual unit of the coarsest level that nothing calls is
        not there. Logits go from 8 times the grid straight to their size: the same where that is the images'.
    """

    def __init__(
        self, widths: Sequence[int], out_channels: Sequence[int], features: int, num_classes: int
    ) -> None:
        super().__init__()
        pairs = list(zip(widths, out_channels, strict=True))
        self.projections = nn.ModuleList(nn.Conv2d(width, channels, 1) for width, channels in pairs)
        finest, finer, _, coarsest = out_channels
        self.resamplers = nn.ModuleList(
            [
                nn.ConvTranspose2d(finest, finest, 4, stride=4),
                nn.ConvTranspose2d(finer, finer, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(coarsest, coarsest, 3, stride=2, padding=1),
            ]
        )
        self.levels = nn.ModuleList(
            nn.Conv2d(channels, features, 3, padding=1, bias=False) for channels in out_channels
        )
        self.fusions = nn.ModuleList(Fusion(features, coarsest=number == 3) for number in range(4))
        self.conv = nn.Conv2d(features, features, 3, padding=1)
        self.classifier = nn.Conv2d(features, num_classes, 1)

    def forward(self, grids: Features, size: tuple[int, int]) -> Logits:
        """Return logits of ``size`` (height, width).

        Raises:
            ValueError: If the grids differ in size, as those of a hierarchical backbone do.
        """
        return resize_bilinear(self.before_resize(grids).contiguous(), size, align_corners=True)

    def before_resize(self, grids: Features) -> Logits:
        """Return logits at 8 times the size of the grids."""
        sizes = [tuple(grid.shape[-2:]) for grid in grids]
        if any(size != sizes[0] for size in sizes):
            raise ValueError(
                f"dpt makes a pyramid of grids of one size, got {sizes}; choose a plain transformer, "
                "or model.head=segformer"
            )
        layers = zip(grids, self.projections, self.resamplers, self.levels, strict=True)
        pyramid: list[Map] = [level(resample(project(grid))) for grid, project, resample, level in layers]
        finest = pyramid[0].shape[-2:]
        sizes_after = [(2 * finest[0], 2 * finest[1]), *((one.shape[-2], one.shape[-1]) for one in pyramid)]
        fused = None
        for number in (3, 2, 1, 0):
            fused = self.fusions[number](pyramid[number], fused, sizes_after[number])
        logits: Logits = self.classifier(F.relu(self.conv(fused)))
        return logits
