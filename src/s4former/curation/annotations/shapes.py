"""What every annotation format is turned into: images with shapes on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

Points = Float[np.ndarray, "n 2"]
"""Corners as x and y in pixels; (0, 0) is the upper left corner of the upper left pixel."""


@dataclass(frozen=True)
class Polygon:
    """The area inside a closed line; parts that it encloses twice are outside (even-odd rule).

    Attributes:
        points: Its corners in order.
        relative: Whether they are fractions of the image's width and height, not pixels.
    """

    points: Points
    relative: bool = False


@dataclass(frozen=True)
class Ellipse:
    """An ellipse by its center and radii along its own axes, turned clockwise."""

    center: tuple[float, float]
    radii: tuple[float, float]
    degrees: float = 0.0


@dataclass(frozen=True)
class Bitmap:
    """Pixels, and where on the image their upper left one lies."""

    pixels: Bool[np.ndarray, "h w"]
    left: int = 0
    top: int = 0


@dataclass(frozen=True)
class Stroke:
    """What lies near a line or a point: within a twentieth of the image's longer side.

    It stands for things that were marked without an area; nothing says how far they reach.

    Attributes:
        points: The points of the line in order, or the point.
        relative: Whether they are fractions of the image's width and height, not pixels.
    """

    points: Points
    relative: bool = False


Region = Polygon | Ellipse | Bitmap | Stroke


@dataclass(frozen=True)
class Shape:
    """One thing that somebody marked.

    Attributes:
        label: Its class; a number where the format counts classes and nothing says their names, None where
            the thing has no label.
        regions: What it covers together.
        where: What messages call it.
        unknown: Why nobody can say which pixels are its own, as ``boxes without an outline``: then the
            regions only hold it somewhere. Empty where they are its outline.
    """

    label: str | int | None
    regions: tuple[Region, ...]
    where: str
    unknown: str = ""


DEGENERATE = "polygons of fewer than 3 points"
"""Why pixels are unknown, in every format alike."""


class Notes:
    """Counts what a person should know although it is no error."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[int, str]] = {}

    def add(self, what: str, where: str) -> None:
        """Count one case of ``what``; where the first one lies is kept."""
        count, first = self._places.get(what, (0, where))
        self._places[what] = (count + 1, first)

    def lines(self) -> tuple[str, ...]:
        """Return a sentence for each kind of case, in the order of the first ones."""
        return tuple(f"{what}: {count} (first: {where})" for what, (count, where) in self._places.items())


@dataclass(frozen=True)
class AnnotatedImage:
    """One image as an annotation file knows it.

    Attributes:
        names: What the image's file may be called, likeliest first.
        where: What messages call this entry.
        shapes: Reads the shapes in the order in which they are drawn.
        size: Height and width in pixels of the image that was drawn on, if the format tells.
        beside: What the image is called if the annotation file is named after it; must not contradict.
    """

    names: tuple[str, ...]
    where: str
    shapes: Callable[[Notes], list[Shape]] = field(repr=False)
    size: tuple[int, int] | None = None
    beside: str = ""


def hull(points: Points) -> Float[np.ndarray, "m 2"]:
    """Return the corners of the smallest convex polygon around points, in order; two if they lie in line."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(corners: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in corners:
            while len(chain) > 1:
                (x0, y0), (x1, y1) = chain[-2:]
                if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return np.array(half(ordered) + half(reversed(ordered)) or ordered, dtype=float).reshape(-1, 2)


def around(points: Points) -> tuple[Region, ...]:
    """Return where a thing may lie of which only some points are known."""
    corners = hull(points)
    edge = Stroke(np.concatenate([corners, corners[:1]]))
    return (Polygon(corners), edge) if len(corners) > 2 else (edge,)


def outline(label: str, corners: Points, where: str) -> Shape:
    """Return what a closed line is around; one of fewer than three points has no inside that is known."""
    if len(corners) < 3:
        return Shape(label, around(corners), where, unknown=DEGENERATE)
    return Shape(label, (Polygon(corners),), where)


def rectangle(
    left: float,
    top: float,
    width: float,
    height: float,
    degrees: float = 0.0,
    pivot: tuple[float, float] = (0, 0),
) -> Polygon:
    """Return a rectangle turned clockwise.

    Args:
        left: x of its upper left corner before it is turned, in pixels; so are the next three.
        top: y of that corner.
        width: Its width.
        height: Its height.
        degrees: By how much it is turned.
        pivot: The point it is turned about, from (0, 0) its upper left corner to (1, 1) its lower right one.
    """
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) - pivot
    offsets = corners * (width, height)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = offsets @ np.array([(cosine, sine), (-sine, cosine)])
    return Polygon(turned + np.array([left + pivot[0] * width, top + pivot[1] * height]))
