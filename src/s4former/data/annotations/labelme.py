"""labelme json: one file an image.

Source: the files that labelme 3 to 5 writes. The picture in ``imageData`` is never decoded. Later shapes go
over earlier ones. labelme draws on the rotated picture, so its sizes are those of the picture as viewers
show it.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.annotations import reading
from s4former.data.annotations.shapes import (
    AnnotatedImage,
    Bitmap,
    Ellipse,
    Notes,
    Points,
    Polygon,
    Region,
    Shape,
    rectangle,
)

_WITHOUT_AREA = {"line", "linestrip", "point", "points"}


def files(path: Path) -> list[Path]:
    """Return the files that hold the annotations."""
    return reading.files_below(path, ".json")


def looks_like(content: Any) -> bool:
    """Say whether a JSON file's content is of this format."""
    return isinstance(content, dict) and "shapes" in content and "annotations" not in content


def class_names(path: Path) -> list[str]:
    """Return the labels that occur, sorted.

    Raises:
        DataError: If a file is broken.
    """
    return sorted(
        {
            _label(shape, f"{file}: shape {index}")
            for file, content in _contents(path, Notes())
            for index, shape in enumerate(reading.entries(content["shapes"], f"{file}: shapes"))
            if shape.get("shape_type") not in _WITHOUT_AREA
        }
    )


def images(path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
    """Return the image of each file; an image whose name changed is found by the name of the JSON file.

    Raises:
        DataError: If a file is broken.
    """
    for file, content in _contents(path, notes):
        named = content.get("imagePath")
        beside = file.with_suffix("").relative_to(path if path.is_dir() else path.parent).as_posix()
        yield AnnotatedImage(
            names=(named, beside) if isinstance(named, str) and named else (beside,),
            where=str(file),
            shapes=partial(_shapes, content["shapes"], str(file)),
            size=reading.size(content.get("imageHeight"), content.get("imageWidth"), str(file)),
        )


def _contents(path: Path, notes: Notes) -> Iterator[tuple[Path, dict[str, Any]]]:
    found = False
    for file in files(path):
        content = reading.load_json(file)
        if looks_like(content):
            found = True
            yield file, {key: value for key, value in content.items() if key != "imageData"}
        else:
            notes.add("JSON files without shapes, not of labelme, left out", str(file))
    if not found:
        raise DataError(
            f"{path}: expected labelme json files, which have shapes and an imagePath; found none"
        )


def _label(shape: dict[str, Any], where: str) -> str:
    return reading.text(shape.get("label"), where, "a label")


def _shapes(records: Any, file: str, notes: Notes) -> list[Shape]:
    shapes = []
    for index, record in enumerate(reading.entries(records, f"{file}: shapes")):
        where = f"{file}: shape {index}"
        region = _region(record, where, notes)
        if region is not None:
            shapes.append(Shape(_label(record, where), (region,), where))
    return shapes


def _region(record: dict[str, Any], where: str, notes: Notes) -> Region | None:
    kind = record.get("shape_type") or "polygon"  # early versions draw polygons only and don't say so
    if kind in _WITHOUT_AREA:
        notes.add("lines and points, which have no area, left out", where)
        return None
    corners = reading.points(record.get("points"), where)
    if kind in ("polygon", "oriented_rectangle"):
        if len(corners) < 3:
            notes.add("polygons of fewer than 3 points, left out", where)
            return None
        return Polygon(corners)
    if kind not in ("rectangle", "circle", "mask"):
        notes.add(f"shapes of the unknown type {kind}, left out", where)
        return None
    if len(corners) != 2:
        raise DataError(f"{where}: a {kind} has 2 points, got {len(corners)}; draw it again")
    (x, y), (x1, y1) = corners.tolist()
    if kind == "rectangle":
        return rectangle(min(x, x1), min(y, y1), abs(x1 - x), abs(y1 - y))
    if kind == "circle":
        radius = math.hypot(x1 - x, y1 - y)
        return Ellipse((x, y), (radius, radius))
    return _mask(record.get("mask"), corners, where)


def _mask(encoded: Any, corners: Points, where: str) -> Bitmap:
    """Return a mask that is written as a PNG file in base64; its first point is its upper left pixel."""
    try:
        with PilImage.open(io.BytesIO(base64.b64decode(encoded, validate=True)), formats=["PNG"]) as picture:
            pixels = np.array(picture.convert("L")) > 0
    except (
        TypeError,
        ValueError,
        OSError,
        SyntaxError,
        binascii.Error,
        PilImage.DecompressionBombError,
    ) as error:
        raise DataError(f"{where}: cannot read its mask: {error}; draw it again") from error
    return Bitmap(pixels, left=round(float(corners[0, 0])), top=round(float(corners[0, 1])))
