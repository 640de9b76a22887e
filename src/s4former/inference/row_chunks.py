"""Logits of images of any size, in chunks of rows from top to bottom.

All logits of an image of 20,000 x 20,000 pixels and 21 classes would take 31 GiB. To name the classes of its
pixels a few rows at a time are enough: those that windows still add to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from s4former.ops.resize import resize_bilinear
from s4former.types import Images, Logits

RowChunks = Iterator[Float[Tensor, "b k rows w"]]
PredictLogits = Callable[[Images], Logits]

_MAX_VALUES = 2**25  # numbers in a chunk, 128 MiB: images of usual sizes are one chunk
_MAX_PIXELS = 2**19  # that a network is given at once, unless a single image has more


def whole_row_chunks(
    predict_logits: PredictLogits, images: UInt8[np.ndarray, "b h w c"], device: str
) -> RowChunks:
    """Yield the logits of images that are looked at in one piece: one chunk."""
    yield predict_logits(_to_images(images, device))


def slide_row_chunks(
    predict_logits: PredictLogits,
    num_classes: int,
    images: UInt8[np.ndarray, "b h w c"],
    crop: tuple[int, int],
    stride: tuple[int, int],
    device: str,
    blend: bool = False,
) -> RowChunks:
    """Yield the mean logits of overlapping windows, each row once no further window reaches it.

    Windows side by side are given to the network together. Memory: as many rows of logits as a window has.

    Args:
        predict_logits: The network.
        num_classes: Number of classes.
        images: The images, of one size; they may be smaller than a window.
        crop: Height and width of a window.
        stride: Rows and columns from one window to the next, at most ``crop``.
        device: Where the network is.
        blend: Whether a window counts less toward its borders, so that no seam shows; all alike otherwise.
    """
    count, height, width = images.shape[:3]
    tops, lefts = window_starts(height, crop[0], stride[0]), window_starts(width, crop[1], stride[1])
    sides = min(crop[0], height), min(crop[1], width)
    together = max(1, images_at_once(sides, num_classes) // count)
    total = torch.zeros(count, num_classes, sides[0], width, device=device)
    times = torch.zeros(1, 1, sides[0], width, device=device)
    weight = blend_weights(sides).to(device) if blend else 1
    for top, following in zip(tops, [*tops[1:], height], strict=True):
        for first in range(0, len(lefts), together):
            windows = [slice(left, left + sides[1]) for left in lefts[first : first + together]]
            pixels = [images[:, top : top + sides[0], window] for window in windows]
            logits = predict_logits(_to_images(np.concatenate(pixels), device)).float()
            for window, part in zip(windows, torch.split(logits, count), strict=True):
                total[..., window] += part.mul_(weight) if blend else part
                times[..., window] += weight
            del logits, part, pixels  # before the chunk is made
        done = following - top
        chunk = total[..., :done, :].div_(times[..., :done, :])
        total, times = (sums[..., done:, :].clone() for sums in (total, times))
        yield chunk
        del chunk  # whoever takes the row chunks may free them
        total, times = (nn.functional.pad(sums, (0, 0, 0, done)) for sums in (total, times))


def blend_weights(size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Return what each pixel of a window counts: 1 in the middle, almost nothing at the border (Hann's)."""
    rows, columns = ((torch.pi * (torch.arange(side) + 0.5) / side).sin().square() for side in size)
    return rows[:, None] * columns


def images_at_once(size: tuple[int, int], num_classes: int) -> int:
    """Return how many images or windows of a height and width a network is given together."""
    pixels = size[0] * size[1]
    return max(1, min(_MAX_PIXELS // pixels, _MAX_VALUES // 8 // (num_classes * pixels)))


def with_rows(row_chunks: RowChunks) -> Iterator[tuple[slice, Float[Tensor, "b k rows w"]]]:
    """Yield each chunk with the rows of the picture that it is."""
    stop = 0
    for chunk in row_chunks:
        start, stop = stop, stop + chunk.shape[-2]
        yield slice(start, stop), chunk


def window_starts(side: int, window: int, stride: int) -> list[int]:
    """Return where windows start along a side: every ``stride`` pixels, the last one ending at the border."""
    last = max(side - window, 0)
    return [*range(0, last, stride), last]


def resized_row_chunks(
    row_chunks: RowChunks, height: int, size: tuple[int, int], at_once: int = 1
) -> RowChunks:
    """Resize row chunks as `resize_bilinear` would all of them together, and cut them anew.

    Where the cuts are depends on ``size``, the number of classes and ``at_once`` alone, so that row chunks of
    several passes over an image fit each other.

    Args:
        row_chunks: Rows of one picture, from top to bottom.
        height: How many rows they have together.
        size: Height and width that the picture gets.
        at_once: How many such pictures share the memory.
    """
    held: Tensor | None = None
    first = start = 0  # numbers of the first row held, and of the first row still to come
    for chunk in row_chunks:
        chunk = resize_bilinear(chunk.float(), (chunk.shape[-2], size[1]))
        held = chunk if held is None else torch.cat([held, chunk], dim=-2)
        del chunk  # whoever takes the row chunks may free them
        rows = max(1, _MAX_VALUES // (at_once * held.shape[0] * held.shape[1] * size[1]))
        while start < size[0]:
            stop = min(start + rows, size[0])
            above, below, share = _neighbors(start, stop, height, size[0])
            if below[-1] >= first + held.shape[-2]:
                break
            above, below = (rows_of.to(held.device) - first for rows_of in (above, below))
            ready = held[..., above, :]
            if height != size[0]:
                share = share.to(held.device)[:, None]
                ready = ready * (1 - share) + held[..., below, :] * share
            start = stop
            yield ready
        if start < size[0]:
            needed = min(int(_neighbors(start, start + 1, height, size[0])[0]), first + held.shape[-2])
            held, first = held[..., needed - first :, :].clone(), needed


def _to_images(pixels: UInt8[np.ndarray, "b h w c"], device: str) -> Float[Tensor, "b c h w"]:
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(0, 3, 1, 2).float() / 255


def _neighbors(
    start: int, stop: int, height: int, resized: int
) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"], Float[Tensor, " n"]]:
    """Return between which of ``height`` rows the resized rows ``start`` to ``stop - 1`` lie, and where.

    torch rounds the factor to float32, and where a row lies once more; so does this.
    """
    factor = torch.tensor(height / resized, dtype=torch.float32).double()
    place = ((torch.arange(start, stop, dtype=torch.float64) + 0.5) * factor - 0.5).float().clamp_min(0)
    above = place.long().clamp_max(height - 1)
    return above, (above + 1).clamp_max(height - 1), (place - above).clamp_max(1)
