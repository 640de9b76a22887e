"""Draws shapes: a pixel belongs to a shape if its center lies inside.

**We differ:** drawing tools' own exports often add the pixels that an outline touches, so along outlines
their masks can be one pixel wider. With centers, neighbors that share an outline share no pixel and leave
none out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from s4former.curation.annotations.shapes import Bitmap, Ellipse, Points, Polygon, Region, Stroke
from s4former.types import IGNORE

_REACH = 1 / 20


@dataclass(frozen=True)
class Patch:
    """Pixels of a shape within a box that lies on the image."""

    pixels: Bool[np.ndarray, "h w"]
    left: int = 0
    top: int = 0

    def of(self, mask: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "h w"]:
        """Return the part of a mask under the box, as a view."""
        height, width = self.pixels.shape
        return mask[self.top : self.top + height, self.left : self.left + width]


def rasterize(regions: Sequence[Region], height: int, width: int) -> Patch:
    """Return the pixels that regions cover together on an image, cut at its edges."""
    patches = [_patch(region, height, width) for region in regions]
    patches = [patch for patch in patches if patch.pixels.any()]
    if len(patches) == 1:
        return patches[0]
    if not patches:
        return Patch(np.zeros((0, 0), dtype=bool))
    left, top = min(patch.left for patch in patches), min(patch.top for patch in patches)
    right = max(patch.left + patch.pixels.shape[1] for patch in patches)
    bottom = max(patch.top + patch.pixels.shape[0] for patch in patches)
    union = np.zeros((bottom - top, right - left), dtype=bool)
    for patch in patches:
        rows, columns = patch.pixels.shape
        y, x = patch.top - top, patch.left - left
        union[y : y + rows, x : x + columns] |= patch.pixels
    return Patch(union, left, top)


@dataclass(frozen=True)
class Layer:
    """A shape as it is drawn.

    Attributes:
        regions: What it covers together.
        value: Its value; None if it is of no class, which only an unknown one may be.
        unknown: Whether its pixels are somewhere in the regions, nobody knows where.
    """

    regions: Sequence[Region]
    value: int | None
    unknown: bool = False


@dataclass(frozen=True)
class Drawing:
    """A mask with shapes on it.

    Attributes:
        mask: A value for every pixel.
        absent: Positions of the shapes that lie outside of the image.
        thin: Positions of the outlines that cover no pixel's center; pixels that they touch are unknown.
        overlap: Whether a shape covers pixels of one with another value.
    """

    mask: UInt8[np.ndarray, "h w"]
    absent: tuple[int, ...]
    thin: tuple[int, ...]
    overlap: bool


def draw(layers: Sequence[Layer], height: int, width: int, outside: int, larger_first: bool) -> Drawing:
    """Draw shapes one over the other.

    A shape whose pixels nobody knows makes those unknown (`IGNORE`) that it may have, in its place in the
    order: not those that are drawn over it, and not those below that have its value anyway. One of no class
    takes pixels from no other shape.

    Args:
        layers: The shapes in the order in which they were drawn.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        outside: The value of pixels in no shape.
        larger_first: Draw shapes of more pixels first, so that small ones stay on top of large ones; shapes
            of one size, and all shapes if this is off, go by their order: later ones on top.
    """
    order = list(range(len(layers)))
    if larger_first:
        # Shapes are drawn anew below: those of a very large image don't fit into memory together.
        order.sort(key=lambda index: -int(rasterize(layers[index].regions, height, width).pixels.sum()))
    mask = np.full((height, width), outside, dtype=np.uint8)
    absent: list[int] = []
    thin: list[int] = []
    overlap = False
    for index in order:
        layer = layers[index]
        patch, unknown = rasterize(layer.regions, height, width), layer.unknown
        if not patch.pixels.any():
            patch, unknown = _touched(layer.regions, height, width), True
            (thin if patch.pixels.any() else absent).append(index)
        target = patch.of(mask)
        if not unknown:
            before = target[patch.pixels]
            overlap = overlap or bool(((before != outside) & (before != layer.value)).any())
            target[patch.pixels] = layer.value
        elif layer.value is None:
            target[patch.pixels & (target == outside)] = IGNORE
        else:
            target[patch.pixels & (target != layer.value)] = IGNORE
    return Drawing(mask, tuple(sorted(absent)), tuple(sorted(thin)), overlap)


def _patch(region: Region, height: int, width: int) -> Patch:
    if isinstance(region, Bitmap):
        return _bitmap(region, height, width)
    if isinstance(region, Ellipse):
        return _ellipse(region, height, width)
    points = _in_pixels(region, height, width)
    if isinstance(region, Stroke):
        return _stroke(points, _REACH * max(height, width), height, width)
    return _polygon(points, height, width)


def _in_pixels(region: Polygon | Stroke, height: int, width: int) -> Points:
    return region.points * ((width, height) if region.relative else 1)


def _touched(regions: Sequence[Region], height: int, width: int) -> Patch:
    """Return the pixels that the box around regions touches, though it may hold no pixel's center."""
    ends = [
        _in_pixels(region, height, width) if isinstance(region, Polygon | Stroke) else _ends(region)
        for region in regions
        if not isinstance(region, Bitmap)
    ]
    points = np.concatenate([np.zeros((0, 2)), *ends])
    if not len(points):
        return Patch(np.zeros((0, 0), dtype=bool))
    low, high = np.floor(points.min(0)), np.maximum(np.ceil(points.max(0)), np.floor(points.min(0)) + 1)
    left, top = np.clip(low, 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(high, 0, (width, height)).astype(int).tolist()
    return Patch(np.ones((bottom - top, right - left), dtype=bool), left, top)


def _ends(ellipse: Ellipse) -> Points:
    """Return the upper left and the lower right corner of the box around an ellipse."""
    cosine, sine = np.cos(np.radians(ellipse.degrees)), np.sin(np.radians(ellipse.degrees))
    (a, b), center = ellipse.radii, np.array(ellipse.center, dtype=float)
    reach = np.hypot((a * cosine, a * sine), (b * sine, b * cosine))
    return np.stack([center - reach, center + reach])


def _box(low: np.ndarray, high: np.ndarray, height: int, width: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the pixels whose centers lie between two corners."""
    first, last = (np.clip(np.ceil(end - 0.5), 0, (width, height)).astype(int) for end in (low, high))
    return int(first[0]), int(first[1]), int(last[0]), int(last[1])


def _polygon(points: Points, height: int, width: int) -> Patch:
    """Fill a polygon by the crossings of its edges with each row of pixel centers.

    A crossing flips every pixel to its right: so pixels are inside where the number of crossings to their
    left is odd. Rows and columns start at the first center that is not below a coordinate, for each edge
    alike: a center on an outline that two polygons share goes to exactly one of them.
    """
    left, top, right, bottom = _box(points.min(0), points.max(0), height, width)
    if left >= right or top >= bottom:
        return Patch(np.zeros((0, 0), dtype=bool))
    ends = np.stack([points, np.roll(points, -1, axis=0)])
    upper = ends[:, :, 1].argmin(axis=0)
    number = np.arange(len(points))
    (x0, y0), (x1, y1) = ends[upper, number].T, ends[1 - upper, number].T
    first = np.clip(np.ceil(y0 - 0.5), top, bottom).astype(int)
    rows_each = np.clip(np.ceil(y1 - 0.5), top, bottom).astype(int) - first
    edge = np.repeat(number, rows_each)
    rows = np.arange(len(edge)) - np.repeat(rows_each.cumsum() - rows_each, rows_each) + first[edge]
    x = x0[edge] + (rows + 0.5 - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
    columns = np.clip(np.ceil(x - 0.5), left, right).astype(int)
    flips = np.zeros((bottom - top, right - left + 1), dtype=np.uint8)
    np.bitwise_xor.at(flips, (rows - top, columns - left), np.uint8(1))
    inside = np.bitwise_xor.accumulate(flips, axis=1)[:, :-1].astype(bool)
    return Patch(inside, left, top)


def _ellipse(ellipse: Ellipse, height: int, width: int) -> Patch:
    (x, y), (a, b) = ellipse.center, ellipse.radii
    low, high = _ends(ellipse)
    left, top, right, bottom = _box(low, high, height, width)
    if left >= right or top >= bottom or not a or not b:
        return Patch(np.zeros((0, 0), dtype=bool))
    cosine, sine = np.cos(np.radians(ellipse.degrees)), np.sin(np.radians(ellipse.degrees))
    dx = np.arange(left, right)[None] + 0.5 - x
    dy = np.arange(top, bottom)[:, None] + 0.5 - y
    inside = ((dx * cosine + dy * sine) / a) ** 2 + ((dy * cosine - dx * sine) / b) ** 2 < 1
    return Patch(inside, left, top)


def _stroke(points: Points, radius: float, height: int, width: int) -> Patch:
    """Return the pixels whose centers are not farther from a line through points than a radius."""
    left, top, right, bottom = _box(points.min(0) - radius, points.max(0) + radius, height, width)
    near = np.zeros((max(0, bottom - top), max(0, right - left)), dtype=bool)
    for start, end in zip(points, points[1:] if len(points) > 1 else points, strict=False):
        x0, y0, x1, y1 = _box(np.minimum(start, end) - radius, np.maximum(start, end) + radius, height, width)
        dx = np.arange(x0, x1)[None] + 0.5 - start[0]
        dy = np.arange(y0, y1)[:, None] + 0.5 - start[1]
        (along_x, along_y), length = end - start, float(((end - start) ** 2).sum())
        share = np.clip((dx * along_x + dy * along_y) / length, 0, 1) if length else 0.0
        distance = np.hypot(dx - share * along_x, dy - share * along_y)
        near[y0 - top : y1 - top, x0 - left : x1 - left] |= distance <= radius
    return Patch(near, left, top)


def _bitmap(bitmap: Bitmap, height: int, width: int) -> Patch:
    rows = slice(max(0, -bitmap.top), max(0, height - bitmap.top))
    columns = slice(max(0, -bitmap.left), max(0, width - bitmap.left))
    return Patch(bitmap.pixels[rows, columns], max(0, bitmap.left), max(0, bitmap.top))
