"""Masks as polygons that drawing tools take."""

from __future__ import annotations

from collections.abc import Iterator

import contourpy
import numpy as np
from jaxtyping import Bool, Float, UInt8

from s4former.types import IGNORE

Points = Float[np.ndarray, "_ 2"]
SMALLEST = 16
"""Pixels of the smallest piece that gets an outline: a person would not draw less."""
_TOLERANCE, _EXACT = 0.5, 1e-6
"""Pixels by which an outline may pass beside the mask's edge, and beside that of a thin piece."""
_CHANGE = 0.1
"""Share of its area that a piece may lose or gain by that."""


def outlines(mask: UInt8[np.ndarray, "h w"]) -> Iterator[tuple[int, Points]]:
    """Yield each piece of each class of a mask: the class's index, and its corners as x and y in pixels.

    Holes are cut out by a slit from the outline, as no format but our own has holes in polygons.
    """
    for index in np.unique(mask[mask != IGNORE]).tolist():
        for outline in _pieces(mask == index):
            yield index, outline


def area(points: Points) -> float:
    """Return the area inside of a closed line, in pixels."""
    x, y = (points - points[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _pieces(pixels: Bool[np.ndarray, "h w"]) -> Iterator[Points]:
    rows, columns = (np.flatnonzero(pixels.any(axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    box = np.pad(pixels[top : rows[-1] + 1, left : columns[-1] + 1], 1).astype(float)
    lines = contourpy.contour_generator(z=box, fill_type=contourpy.FillType.OuterOffset).filled(0.5, 2.0)
    corner = np.array([left - 0.5, top - 0.5])  # pixel centers have whole coordinates there, and halves here
    for points, starts in zip(*lines, strict=True):
        outer, *holes = (ring[:-1] + corner for ring in np.split(points, starts[1:-1]))
        if area(outer) >= SMALLEST:
            yield _with_slits(_simple(outer), [_simple(hole) for hole in holes if area(hole) >= SMALLEST])


def _simple(ring: Points) -> Points:
    """Return a closed line with fewer corners."""
    simple = _simplified(ring, _TOLERANCE)
    thin = abs(area(simple) - area(ring)) > _CHANGE * area(ring)  # a strip may lose its width
    return _simplified(ring, _EXACT) if thin else simple


def _simplified(ring: Points, tolerance: float) -> Points:
    """Return the corners that Douglas and Peucker's rule keeps, on both halves of a closed line."""
    far = int(((ring - ring[0]) ** 2).sum(1).argmax())
    closed = np.concatenate([ring, ring[:1]])
    keep, spans = {0, far}, [(0, far), (far, len(ring))]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        start, along = closed[first], closed[last] - closed[first]
        offsets = closed[first + 1 : last] - start
        length = float(np.hypot(*along))
        across = offsets[:, 0] * along[1] - offsets[:, 1] * along[0]
        distances = np.abs(across) / length if length else np.hypot(*offsets.T)
        middle = first + 1 + int(distances.argmax())
        if distances[middle - first - 1] > tolerance:
            keep.add(middle)
            spans += [(first, middle), (middle, last)]
    return ring[sorted(keep)]


def _with_slits(outer: Points, holes: list[Points]) -> Points:
    """Return one closed line around an area with holes: from the nearest corner to each, around it, back."""
    for hole in holes:
        at = int(((outer - hole[0]) ** 2).sum(1).argmin())
        outer = np.concatenate([outer[: at + 1], hole, hole[:1], outer[at:]])
    return outer
