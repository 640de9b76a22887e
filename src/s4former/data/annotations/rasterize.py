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

from s4former.data.annotations.shapes import Bitmap, Ellipse, Points, Polygon, Region


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
class Drawing:
    """A mask with shapes on it.

    Attributes:
        mask: A value for every pixel.
        lost: Positions of the shapes that cover no pixel of the image.
        overlap: Whether a shape covers pixels of one with another value.
    """

    mask: UInt8[np.ndarray, "h w"]
    lost: tuple[int, ...]
    overlap: bool


def draw(
    shapes: Sequence[tuple[Sequence[Region], int]], height: int, width: int, outside: int, larger_first: bool
) -> Drawing:
    """Draw shapes one over the other.

    Args:
        shapes: The regions of each shape and its value, in the order in which they were drawn.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        outside: The value of pixels in no shape.
        larger_first: Draw shapes of more pixels first, so that small ones stay on top of large ones; shapes
            of one size, and all shapes if this is off, go by their order: later ones on top.
    """
    order = list(range(len(shapes)))
    if larger_first:
        # Shapes are drawn anew below: those of a very large image don't fit into memory together.
        order.sort(key=lambda index: -int(rasterize(shapes[index][0], height, width).pixels.sum()))
    mask = np.full((height, width), outside, dtype=np.uint8)
    lost, overlap = [], False
    for index in order:
        regions, value = shapes[index]
        patch = rasterize(regions, height, width)
        target = patch.of(mask)
        before = target[patch.pixels]
        overlap = overlap or bool(((before != outside) & (before != value)).any())
        target[patch.pixels] = value
        if not before.size:
            lost.append(index)
    return Drawing(mask, tuple(sorted(lost)), overlap)


def _patch(region: Region, height: int, width: int) -> Patch:
    if isinstance(region, Polygon):
        return _polygon(region.points * ((width, height) if region.relative else 1), height, width)
    if isinstance(region, Ellipse):
        return _ellipse(region, height, width)
    return _bitmap(region, height, width)


def _box(low: Points, high: Points, height: int, width: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the pixels whose centers lie between two corners."""
    first = np.clip(np.ceil(low - 0.5), 0, (width, height)).astype(int)[0]
    last = np.clip(np.ceil(high - 0.5), 0, (width, height)).astype(int)[0]
    return int(first[0]), int(first[1]), int(last[0]), int(last[1])


def _polygon(points: Points, height: int, width: int) -> Patch:
    """Fill a polygon by the crossings of its edges with each row of pixel centers.

    A crossing flips every pixel to its right: so pixels are inside where the number of crossings to their
    left is odd. Rows and columns start at the first center that is not below a coordinate, for each edge
    alike: a center on an outline that two polygons share goes to exactly one of them.
    """
    left, top, right, bottom = _box(points.min(0, keepdims=True), points.max(0, keepdims=True), height, width)
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
    cosine, sine = np.cos(np.radians(ellipse.degrees)), np.sin(np.radians(ellipse.degrees))
    reach = np.hypot((a * cosine, a * sine), (b * sine, b * cosine))[None]
    center = np.array([(x, y)], dtype=float)
    left, top, right, bottom = _box(center - reach, center + reach, height, width)
    if left >= right or top >= bottom or not a or not b:
        return Patch(np.zeros((0, 0), dtype=bool))
    dx = np.arange(left, right)[None] + 0.5 - x
    dy = np.arange(top, bottom)[:, None] + 0.5 - y
    inside = ((dx * cosine + dy * sine) / a) ** 2 + ((dy * cosine - dx * sine) / b) ** 2 < 1
    return Patch(inside, left, top)


def _bitmap(bitmap: Bitmap, height: int, width: int) -> Patch:
    rows = slice(max(0, -bitmap.top), max(0, height - bitmap.top))
    columns = slice(max(0, -bitmap.left), max(0, width - bitmap.left))
    return Patch(bitmap.pixels[rows, columns], max(0, bitmap.left), max(0, bitmap.top))
