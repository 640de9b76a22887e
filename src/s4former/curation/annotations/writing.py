"""Turns labels into values, draws the shapes of images and writes them as masks."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.config.record import write_atomically
from s4former.curation.annotations import reading
from s4former.curation.annotations.matching import displayed_size
from s4former.curation.annotations.rasterize import Layer, draw
from s4former.curation.annotations.shapes import AnnotatedImage, Notes, Shape
from s4former.types import IGNORE

SPECIAL_LABELS = ("__ignore__", "_background_")
"""Labels with a meaning instead of a class, as in labelme: pixels to ignore, and pixels outside of all
classes."""


class LabelValues:
    """Turns labels into mask values.

    Attributes:
        outside: The value of pixels in no shape.
        unknown: Labels that were asked for and are no class, and how often each was.
    """

    def __init__(self, names: Sequence[str], outside: int) -> None:
        self.outside = outside
        self._names = names
        special = dict(zip(SPECIAL_LABELS, (IGNORE, outside), strict=True))
        self._values: dict[str, int] = {**special, **{name: index for index, name in enumerate(names)}}
        self._counted = [index for index in range(len(names)) if index != outside]
        self.unknown: Counter[str] = Counter()
        self._first = ""

    def value(self, shape: Shape, notes: Notes) -> int | None:
        """Return the value of a shape; None if its label is no class.

        Labels of shapes without an outline need be none: they may be landmarks, which take part in no class.
        """
        label = shape.label
        if label is None:
            value = None
        elif isinstance(label, str):
            value = self._values.get(label)
        else:
            value = self._counted[label] if label < len(self._counted) else None
            if value is not None:
                notes.add(
                    f"shapes of class number {label}, taken for {self._names[value]!r} as there is neither "
                    "data.yaml nor classes.txt",
                    shape.where,
                )
        if value is None and not shape.unknown:
            self._first = self._first or shape.where
            self.unknown[str(label)] += 1
        return value

    def complaint(self) -> str:
        """Say which labels are unknown, how often they occur, and what to do."""
        parts = []
        for label, count in self.unknown.most_common(5):
            near = difflib.get_close_matches(label.lower(), [name.lower() for name in self._names], 2, 0.6)
            close = " or ".join(repr(name) for name in self._names if name.lower() in near)
            times = "shape" if count == 1 else "shapes"
            parts.append(f"{reading.short(label)} ({count} {times}{f', perhaps {close}' if close else ''})")
        more = f" and {len(self.unknown) - 5} more" if len(self.unknown) > 5 else ""
        return (
            f"{self._first}: unknown labels in the annotations: {', '.join(parts)}{more}; the classes are "
            f"{', '.join(map(repr, self._names))}. Add each new class to names in dataset.yaml; "
            "if it is another spelling, write it there as the annotations do"
        )


class MaskWriter:
    """Draws and writes masks, and counts what it draws.

    Attributes:
        used: Values that outlines have.
    """

    def __init__(
        self, labels: LabelValues, channels: int, larger_first: bool, out: Path, notes: Notes
    ) -> None:
        self.used: set[int] = set()
        self._labels, self._channels, self._larger_first = labels, channels, larger_first
        self._out, self._notes = out, notes
        self._unknown: Counter[str] = Counter()
        self._outlines = self._invisible = 0
        self._rule = "smaller ones count" if larger_first else "later ones count"

    def write(self, id: str, image: Path, entry: AnnotatedImage) -> None:
        """Write the mask of an image, unless a label is unknown.

        Raises:
            DataError: If an entry is broken or a size differs.
        """
        # Before the shapes are read: no mask larger than the image is decoded.
        height, width = _agreed_size(entry, image, self._channels)
        shapes = entry.shapes(self._notes)
        values = [self._labels.value(shape, self._notes) for shape in shapes]
        if self._labels.unknown:
            return  # look at the remaining labels, so that one message names them all
        layers = [
            Layer(shape.regions, value, bool(shape.unknown))
            for shape, value in zip(shapes, values, strict=True)
        ]
        drawing = draw(layers, height, width, self._labels.outside, self._larger_first)
        if drawing.overlap:
            self._notes.add(f"images where shapes of different classes overlap ({self._rule})", entry.where)
        for index in drawing.absent:
            self._notes.add("shapes outside of the image", shapes[index].where)
        for index in drawing.thin:
            self._notes.add(
                "shapes too thin to cover a pixel's center, unknown (255) there", shapes[index].where
            )
        if not shapes:
            self._notes.add("images without any shape, all of them outside", entry.where)
        self._count(shapes, values)
        self._invisible += len(drawing.absent) + len(drawing.thin)
        picture = PilImage.fromarray(drawing.mask)
        write_atomically(self._out / f"{id}.png", partial(picture.save, format="PNG"))

    def _count(self, shapes: Sequence[Shape], values: Sequence[int | None]) -> None:
        for shape, value in zip(shapes, values, strict=True):
            if shape.unknown:
                self._unknown[shape.unknown] += 1
                self._notes.add(f"{shape.unknown}, unknown (255) where they may be", shape.where)
            elif value is not None:
                self._outlines += 1
                self.used.add(value)

    def judge(self, annotations: Path) -> None:
        """Refuse what teaches nothing, or wrongly.

        Raises:
            DataError: If labels are no classes, nothing has an outline or most shapes lie outside.
        """
        if self._labels.unknown:
            raise DataError(self._labels.complaint())
        shapes = self._outlines + self._unknown.total()
        if self._unknown and not self._outlines:
            kinds = ", ".join(f"{kind}: {count}" for kind, count in self._unknown.most_common())
            raise DataError(
                f"{annotations}: no object has an outline ({kinds}): these are boxes or points of a "
                "detection data set, not masks; draw polygons, or export them"
            )
        if 2 * self._invisible > shapes:
            raise DataError(
                f"{annotations}: {self._invisible} of {shapes} shapes lie outside of their image or are "
                "smaller than a pixel; their coordinates belong to images of another size, or are no pixels"
            )


def _agreed_size(entry: AnnotatedImage, file: Path, channels: int) -> tuple[int, int]:
    """Return the height and width of an image that is as large as the one that was drawn on.

    Raises:
        DataError: If it is not.
    """
    size = displayed_size(file, channels)
    if entry.size is None or entry.size == size:
        return size
    reason = (
        "they are swapped: the annotations count pixels as the camera stored them, while viewers turn the "
        "image by its EXIF tag; save the image turned, without the tag, and annotate or export that"
        if entry.size == size[::-1]
        else "give the image that was annotated, not one that was resized or cropped since"
    )
    raise DataError(
        f"{entry.where}: drawn on an image of {entry.size[1]} x {entry.size[0]} pixels, but {file} has "
        f"{size[1]} x {size[0]}; {reason}"
    )
