"""Small pictures of a data set's images with their masks on top."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.classes import Classes, Color
from s4former.data.display import UNKNOWN, rgb_view
from s4former.data.sources.base import Source, Split
from s4former.data.statistics import spread
from s4former.report.figures import LEGEND_COLUMNS, Pixels, add_legend, blank_figure, colorize
from s4former.types import IGNORE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shown = UInt8[np.ndarray, "shown_h shown_w 3"]

_OPACITY = 0.5
_LARGEST = 320
_GAP = 6
_ALL_LABELED = 24
"""So many labeled images are all shown: they are what the run learns from."""
SHEET_CELLS = 30
"""Images on a contact sheet, at most."""


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
    count: int | None = None,
) -> tuple[Picture, ...]:
    """Return pictures of a few images, evenly spread; where masks are known, beside the same with the mask.

    Args:
        source: The data set.
        split: Which split.
        ids: Images of that split that can be read; one that cannot, after all, is passed over.
        display_channels: Channels shown as red, green and blue.
        count: How many pictures; by default 4, but all labeled images if they are at most 24.
    """
    if count is None:
        count = _ALL_LABELED if split == "labeled" and len(ids) <= _ALL_LABELED else 4
    pictures = []
    for id in spread(ids, count):
        try:
            image = rgb_view(source.read_image(id, split), display_channels)
            if split == "unlabeled":
                shown = _shrunk(image)
            else:
                shown = _beside(image, source.read_mask(id, split), source.classes.colors)
        except DataError:
            continue
        pictures.append(picture(id, shown))
    return tuple(pictures)


def overlay(image: Pixels, mask: UInt8[np.ndarray, "h w"], colors: Sequence[Color]) -> Pixels:
    """Return an image with its mask's colors laid over it; ignored pixels become pale."""
    mixed = (1 - _OPACITY) * image + _OPACITY * colorize(mask, colors)
    return mixed.astype(np.uint8)


def _beside(image: Pixels, mask: UInt8[np.ndarray, "h w"], colors: Sequence[Color]) -> Shown:
    """Return an image and its overlay side by side, or one above the other if it is wide."""
    small = _shrunk(image)
    height, width = small.shape[:2]
    labels = np.array(PilImage.fromarray(mask).resize((width, height), PilImage.Resampling.NEAREST))
    axis = 1 if width <= 2 * height else 0
    gap = np.full((height, _GAP, 3) if axis else (_GAP, width, 3), 255, dtype=np.uint8)
    return np.concatenate([small, gap, overlay(small, labels, colors)], axis=axis)


def _shrunk(image: Pixels) -> Shown:
    return np.array(shrunk(PilImage.fromarray(image), PilImage.Resampling.BOX))


def shrunk(image: PilImage.Image, resampling: PilImage.Resampling, largest: int = _LARGEST) -> PilImage.Image:
    """Return an image of at most ``largest`` pixels a side; tiny ones are enlarged by a whole number."""
    factor = min(1.0, largest / max(image.size))
    if 2 * max(image.size) <= largest:
        factor, resampling = largest // max(image.size), PilImage.Resampling.NEAREST
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), resampling)


def picture(name: str, pixels: Shown | PilImage.Image, photo: bool = False) -> Picture:
    """Return a picture for a page.

    Args:
        name: What it shows.
        pixels: The picture.
        photo: Whether small losses are not seen, so that it can be a JPEG.
    """
    image = pixels if isinstance(pixels, PilImage.Image) else PilImage.fromarray(pixels)
    kind, options = ("jpeg", {"quality": 85}) if photo else ("png", {"optimize": True})
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Picture(name, f"data:image/{kind};base64,{data}", image.width, image.height)


def contact_sheet(
    cells: Sequence[tuple[str, Pixels, UInt8[np.ndarray, "h w"], str]], classes: Classes
) -> Figure:
    """Return a sheet of images beside their masks, each with a title and a sentence below.

    Args:
        cells: Title, RGB image, mask and sentence of each, at most `SHEET_CELLS`.
        classes: Names and colors; those that a mask shows are in the legend.
    """
    columns = min(3, len(cells))
    rows = -(-len(cells) // columns)
    sentences = ["\n".join(textwrap.wrap(sentence, 62)) for *_, sentence in cells]
    tallest = max(image.shape[0] / image.shape[1] / 2 for _, image, *_ in cells)
    lines = max(sentence.count("\n") + 1 for sentence in sentences)
    figure = blank_figure((4.2 * columns, rows * (4 * tallest + 0.15 * lines + 0.45) + 0.5))
    grid = figure.subplots(rows, columns, squeeze=False)
    shown: set[int] = set()
    for axes in grid.flat:
        axes.set_axis_off()
        axes.set_anchor("NW")
    for axes, (title, image, mask, _), below in zip(grid.flat, cells, sentences, strict=False):
        shown |= set(np.unique(mask).tolist())
        axes.imshow(_beside(image, mask, classes.colors))
        axes.set_title(title, fontsize=9, loc="left")
        axes.text(0, -0.03, below, fontsize=7.5, va="top", transform=axes.transAxes)
    names = {name: classes.colors[index] for index, name in enumerate(classes.names) if index in shown}
    if IGNORE in shown:
        names["unknown"] = UNKNOWN
    add_legend(figure, names)
    reserved = max(0.5, 0.1 + 0.2 * -(-len(names) // LEGEND_COLUMNS))
    figure.tight_layout(rect=(0, reserved / figure.get_figheight(), 1, 1), h_pad=1.5)
    return figure
