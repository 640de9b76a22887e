"""Small pictures of a data set's images with their masks on top."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.classes import Color
from s4former.data.display import rgb_view
from s4former.data.sources.base import Source, Split
from s4former.data.statistics import spread
from s4former.report.figures import Pixels, colorize

Shown = UInt8[np.ndarray, "shown_h shown_w 3"]

_OPACITY = 0.5
_LARGEST = 320
_GAP = 6


@dataclass(frozen=True)
class Picture:
    """A picture inside a page.

    Attributes:
        name: What it shows.
        data: A PNG as a ``data:`` address.
        width: In pixels.
        height: In pixels.
    """

    name: str
    data: str
    width: int
    height: int


def sheet(
    source: Source,
    split: Split,
    ids: Sequence[str],
    display_channels: tuple[int, int, int] = (0, 1, 2),
    count: int = 4,
) -> tuple[Picture, ...]:
    """Return pictures of a few images, evenly spread; where masks are known, beside the same with the mask.

    Args:
        source: The data set.
        split: Which split.
        ids: Images of that split that can be read; one that cannot, after all, is passed over.
        display_channels: Channels shown as red, green and blue.
        count: How many pictures.
    """
    pictures = []
    for id in spread(ids, count):
        try:
            image = rgb_view(source.read_image(id, split), display_channels)
            if split == "unlabeled":
                shown = _shrunk(image, PilImage.Resampling.BOX)
            else:
                shown = _beside(image, source.read_mask(id, split), source.classes.colors)
        except DataError:
            continue
        pictures.append(_picture(id, shown))
    return tuple(pictures)


def overlay(image: Pixels, mask: UInt8[np.ndarray, "h w"], colors: Sequence[Color]) -> Pixels:
    """Return an image with its mask's colors laid over it; ignored pixels become pale."""
    mixed = (1 - _OPACITY) * image + _OPACITY * colorize(mask, colors)
    return mixed.astype(np.uint8)


def _beside(image: Pixels, mask: UInt8[np.ndarray, "h w"], colors: Sequence[Color]) -> Shown:
    """Return an image and its overlay side by side, or one above the other if it is wide."""
    small = _shrunk(image, PilImage.Resampling.BOX)
    height, width = small.shape[:2]
    labels = np.array(PilImage.fromarray(mask).resize((width, height), PilImage.Resampling.NEAREST))
    axis = 1 if width <= 2 * height else 0
    gap = np.full((height, _GAP, 3) if axis else (_GAP, width, 3), 255, dtype=np.uint8)
    return np.concatenate([small, gap, overlay(small, labels, colors)], axis=axis)


def _shrunk(image: Pixels, resampling: PilImage.Resampling) -> Shown:
    """Return an image of at most `_LARGEST` pixels a side; tiny ones are enlarged by a whole number."""
    height, width = image.shape[:2]
    factor = min(1.0, _LARGEST / max(height, width))
    if 2 * max(height, width) <= _LARGEST:
        factor, resampling = _LARGEST // max(height, width), PilImage.Resampling.NEAREST
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.array(PilImage.fromarray(image).resize(size, resampling))


def _picture(name: str, pixels: Shown) -> Picture:
    buffer = io.BytesIO()
    PilImage.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Picture(name, f"data:image/png;base64,{data}", pixels.shape[1], pixels.shape[0])
