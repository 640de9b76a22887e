"""labelme json, and what its forks write: one file an image.

Source: the files that labelme 3 to 5 and X-AnyLabeling write; the latter lists the four corners of
rectangles, turned ones too (``rotation``). The picture in ``imageData`` is never decoded. Later shapes go
over earlier ones. labelme draws on the rotated picture, so its sizes are those of the picture as viewers show
it.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from s4former.config.errors import DataError
from s4former.curation.annotations import reading
from s4former.curation.annotations.formats.base import AnnotationFormat
from s4former.curation.annotations.shapes import (
    AnnotatedImage,
    Bitmap,
    Ellipse,
    Notes,
    Points,
    Polygon,
    Shape,
    Stroke,
    around,
    hull,
    outline,
    rectangle,
)

_POLYGONS = ("polygon", "oriented_rectangle")
_RECTANGLES = ("rectangle", "rotation", "quadrilateral")
_WITHOUT_AREA = ("line", "linestrip", "point", "points")


class Labelme(AnnotationFormat):
    """labelme json, a file an image."""

    file_per_image = True

    name: Literal["labelme"] = "labelme"
    """The format: this file's name."""

    def files(self, path: Path) -> list[Path]:
        """Return the files that hold the annotations."""
        return reading.files_below(path, ".json")

    def class_names(self, path: Path) -> list[str]:
        """Return the labels of the shapes that have an area, sorted; those of all if none has."""
        shapes = [
            (
                _kind(shape) in (*_POLYGONS, *_RECTANGLES, "circle", "mask"),
                _label(shape, f"{file}: shape {index}"),
            )
            for file, content in _contents(path, Notes())
            for index, shape in enumerate(reading.entries(content["shapes"], f"{file}: shapes"))
        ]
        return sorted({label for drawn, label in shapes if drawn} or {label for _, label in shapes})

    def images(self, path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
        """Return the image of each file; one whose name changed is found by the name of the JSON file."""
        for file, content in _contents(path, notes):
            named, folder = content.get("imagePath"), file.parent.as_posix()
            beside = file.with_suffix("").as_posix()
            if isinstance(named, str) and named.strip():  # seen from the file's folder
                named = posixpath.normpath(posixpath.join(folder, named.strip().replace("\\", "/")))
            else:
                named = beside
            yield AnnotatedImage(
                names=(named,),
                where=str(file),
                shapes=partial(_shapes, content["shapes"], str(file)),
                size=reading.size(content.get("imageHeight"), content.get("imageWidth"), str(file)),
                beside=beside,
            )

    def recognizes(self, path: Path, content: Any) -> bool:
        """Say whether a file's content is of this format."""
        return _is_labelme(content)


def _contents(path: Path, notes: Notes) -> Iterator[tuple[Path, dict[str, Any]]]:
    found = False
    for file in reading.files_below(path, ".json"):
        content = reading.load_json(file)
        if _is_labelme(content):
            found = True
            yield file, {key: value for key, value in content.items() if key != "imageData"}
        else:
            notes.add("JSON files without shapes, not of labelme, skipped", str(file))
    if not found:
        raise DataError(
            f"{path}: expected labelme json files, which have shapes and an imagePath; found none"
        )


def _label(shape: dict[str, Any], where: str) -> str:
    return reading.text(shape.get("label"), where, "a label")


def _kind(record: dict[str, Any]) -> str:
    """Return the type of a shape; early versions draw polygons only and don't say so."""
    return str(record.get("shape_type") or "polygon")


def _shapes(records: Any, file: str, _: Notes) -> list[Shape]:
    listed = reading.entries(records, f"{file}: shapes")
    return [_shape(record, f"{file}: shape {index}") for index, record in enumerate(listed)]


def _shape(record: dict[str, Any], where: str) -> Shape:
    """Return a shape as it is drawn."""
    kind, label = _kind(record), _label(record, where)
    corners = reading.points(record.get("points"), where)
    if not len(corners):
        raise DataError(
            f"{where}: a {reading.short(label)} without a point is nowhere; draw it again, or delete it"
        )
    if kind in _WITHOUT_AREA:
        lines = kind in ("line", "linestrip")
        regions = (Stroke(corners),) if lines else tuple(Stroke(corner[None]) for corner in corners)
        return Shape(label, regions, where, unknown="lines" if lines else "points")
    if kind in _POLYGONS:
        return outline(label, corners, where)
    if kind in _RECTANGLES and len(hull(corners)) == 4:
        return Shape(label, (Polygon(hull(corners)),), where)  # whatever order they are listed in
    if kind not in ("rectangle", "circle", "mask"):
        return Shape(label, around(corners), where, unknown=f"shapes of the unknown type {kind}")
    if len(corners) != 2:
        return Shape(label, around(corners), where, unknown=f"{kind} shapes of {len(corners)} points")
    (x, y), (x1, y1) = corners.tolist()
    if kind == "rectangle":
        box = rectangle(min(x, x1), min(y, y1), abs(x1 - x), abs(y1 - y))
        return Shape(label, (box,), where)
    if kind == "circle":
        radius = math.hypot(x1 - x, y1 - y)
        return Shape(label, (Ellipse((x, y), (radius, radius)),), where)
    return Shape(label, (_mask(record.get("mask"), corners, where),), where)


def _mask(encoded: Any, corners: Points, where: str) -> Bitmap:
    """Return a mask that is written as a PNG file in base64; its corner pixels are its two points."""
    pixels = reading.png(encoded, where)
    left, top, right, bottom = (round(value) for value in corners.ravel().tolist())
    height, width = bottom - top + 1, right - left + 1
    if abs(pixels.shape[0] - height) > 1 or abs(pixels.shape[1] - width) > 1:
        raise DataError(
            f"{where}: its mask has {pixels.shape[1]} x {pixels.shape[0]} pixels, the box of its points "
            f"{width} x {height}; draw it again"
        )
    return Bitmap(pixels, left=left, top=top)


def _is_labelme(content: Any) -> bool:
    return isinstance(content, dict) and "shapes" in content and "annotations" not in content
