"""What every annotation format is turned into: images with shapes on them."""

from __future__ import annotations

from collections.abc import Callable
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


Region = Polygon | Ellipse | Bitmap


@dataclass(frozen=True)
class Shape:
    """One thing that somebody drew.

    Attributes:
        label: Its class; a number where the format counts classes and nothing says their names.
        regions: What it covers together.
        where: What messages call it.
    """

    label: str | int
    regions: tuple[Region, ...]
    where: str


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
    """

    names: tuple[str, ...]
    where: str
    shapes: Callable[[Notes], list[Shape]] = field(repr=False)
    size: tuple[int, int] | None = None


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
