"""From a trained network to a graph that takes pixels: normalization inside, positions of a size resized."""

from __future__ import annotations

import copy
import logging

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from s4former.config.errors import UserError
from s4former.inference.onnx_model import Size
from s4former.types import Segmenter

_EXAMPLE = (5, 7)  # rows and columns of patches of the image that is traced where the size is left open
_MOST = 4096  # rows or columns of patches


class Exported(nn.Module):
    """What a file computes: RGB pixels "b h w c" from 0 to 255 become logits "b k h w"."""

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b k h w"]:
        """Return float32 logits at the images' size."""
        dtype = next(self.network.parameters()).dtype
        channels_first = images.permute(0, 3, 1, 2).to(dtype) / 255
        features = self.network.encode(channels_first)
        return self.network.decode(features, (images.shape[1], images.shape[2])).float()


def traced(network: Segmenter, channels: int, size: Size | None, half: bool = False) -> ExportedProgram:
    """Return the graph of a network in eval mode, for batches of any number of images.

    Args:
        network: The network; it stays as it is.
        channels: Channels of an image.
        size: Height and width of the images; none: left open.
        half: Let weights and products be float16.

    Raises:
        UserError: If sides are no multiples of a patch, or the network has no such graph.
    """
    patch = network.patch_size
    own = copy.deepcopy(network).cpu().eval()
    if size:
        if any(side % patch or not side for side in size):
            near = "x".join(str(max(1, round(side / patch)) * patch) for side in size)
            raise UserError(
                f"size={size[0]}x{size[1]}: sides must be multiples of the network's patch of {patch} "
                f"pixels; type size={near}, images are resized to it"
            )
        own.fit_positions(size)
    open_sides = {axis: patch * Dim(name, min=1, max=_MOST) for axis, name in ((1, "rows"), (2, "columns"))}
    axes = {0: Dim("batch", min=1, max=1024), **({} if size else open_sides)}
    height, width = size or tuple(patch * side for side in _EXAMPLE)
    example = torch.zeros(2, height, width, channels, dtype=torch.uint8)
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    instead = "" if size else "; try one size, as in size=224x224"
    try:
        with torch.no_grad():
            graph = Exported(own.half() if half else own)
            program = torch.export.export(graph, (example,), dynamic_shapes={"images": axes})
    except Exception as error:  # of torch, or of whoever wrote the backbone or head
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"torch.export makes no graph of this network: {why}{instead}") from error
    if size is None:
        _require_open(program, example[:1, : patch * 3, : patch * 4], instead)
    return program


def _require_open(program: ExportedProgram, other: UInt8[Tensor, "b h w c"], instead: str) -> None:
    """Make sure that a graph takes images of another size; torch.export may fix a size without saying so."""
    try:
        with torch.no_grad():
            program.module()(other)
    except (AssertionError, RuntimeError):
        raise UserError(
            "positions in this network are computed for one size (as of DINOv3, or with "
            f"position_interpolation=dinov2), so that the file cannot leave it open{instead}"
        ) from None
