"""Instances of COCO json: polygons, run lengths, boxes and keypoints.

Source: the data format page of cocodataset.org and the run lengths of its ``maskApi`` (columns first,
lengths off and on in turn; the compressed form writes each length as the difference to the one two before,
five bits a character). They are decoded here, so that reading a file needs no further package; equal to
pycocotools' masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from s4former.config.errors import DataError
from s4former.curation.annotations import reading
from s4former.curation.annotations.shapes import (
    DEGENERATE,
    Bitmap,
    Points,
    Polygon,
    Region,
    Shape,
    around,
    rectangle,
)


def instance(annotation: dict[str, Any], label: str, where: str) -> Iterator[Shape]:
    """Return an instance as it is drawn: its outline, or where it lies."""
    regions, scraps = _regions(annotation.get("segmentation"), where)
    ignored = reading.flag(annotation.get("ignore"))
    if regions and not ignored:
        yield Shape(label, regions, where)
        if scraps:
            yield Shape(label, around(np.concatenate(scraps)), where, unknown=DEGENERATE)
        return
    box = _box(annotation.get("bbox"), where)
    if ignored and (regions or box):
        yield Shape(label, regions or box, where, unknown="objects marked to be ignored")
    elif box:
        yield Shape(label, box, where, unknown="objects with a box and no outline")
    elif scraps:
        yield Shape(label, around(np.concatenate(scraps)), where, unknown=DEGENERATE)
    else:
        points = _keypoints(annotation.get("keypoints"), where)
        if not len(points):
            raise DataError(
                f"{where}: a {reading.short(label)} with neither a segmentation nor a bbox: nothing tells "
                "where it is; outline it, or delete it"
            )
        yield Shape(label, around(points), where, unknown="objects of keypoints alone")


def _box(given: Any, where: str) -> tuple[Region, ...]:
    if not given:
        return ()
    if not isinstance(given, list) or len(given) != 4:
        raise DataError(f"{where}: expected a bbox as [x, y, width, height], got {reading.short(given)}")
    left, top, width, height = (reading.number(value, where, "bbox") for value in given)
    if width < 0 or height < 0:
        raise DataError(f"{where}: expected a bbox as [x, y, width, height], got {reading.short(given)}")
    return (rectangle(left, top, width, height),)


def _keypoints(given: Any, where: str) -> Points:
    """Return the keypoints that were marked; they are written as x, y, and 0 for those that were not."""
    if not isinstance(given, list) or len(given) % 3:
        return np.zeros((0, 2))
    rows = [given[at : at + 3] for at in range(0, len(given), 3)]
    return reading.points([row[:2] for row in rows if row[2]], where)


def _regions(segmentation: Any, where: str) -> tuple[tuple[Region, ...], list[Points]]:
    """Return what a segmentation covers, and the points of its parts that have no area."""
    if segmentation and isinstance(segmentation, dict):
        bitmap = decode_runs(segmentation, where)
        return ((bitmap,) if bitmap.pixels.any() else ()), []
    regions: list[Region] = []
    scraps: list[Points] = []
    for part in _polygons(segmentation, where):
        if len(part) % 2:
            raise DataError(f"{where}: a polygon has {len(part)} numbers; x and y come in pairs")
        corners = reading.points([part[at : at + 2] for at in range(0, len(part), 2)], where)
        if len(corners) >= 3:
            regions.append(Polygon(corners))
        elif len(corners):
            scraps.append(corners)
    return tuple(regions), scraps


def _polygons(segmentation: Any, where: str) -> list[list[Any]]:
    """Return polygons as lists of numbers: some tools write one such list, or a list of points."""
    if not segmentation:
        return []
    if not isinstance(segmentation, list):
        raise DataError(f"{where}: expected a segmentation as lists [x1, y1, x2, y2, ...] or run lengths")
    if not any(isinstance(part, list) for part in segmentation):
        return [segmentation]
    if not all(isinstance(part, list) for part in segmentation):
        raise DataError(f"{where}: expected a segmentation as lists [x1, y1, x2, y2, ...] or run lengths")
    if len(segmentation) > 2 and all(_is_point(part) for part in segmentation):
        return [[value for point in segmentation for value in point]]
    return [
        [value for point in part for value in point] if part and all(map(_is_point, part)) else part
        for part in segmentation
    ]


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and not any(isinstance(one, list) for one in value)


def decode_runs(segmentation: dict[str, Any], where: str) -> Bitmap:
    """Return the mask of COCO's run lengths, compressed or not.

    Raises:
        DataError: If they are broken.
    """
    height, width = _size(segmentation, where)
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        counts = _decompress(counts, where)
    elif not isinstance(counts, list):
        raise DataError(f"{where}: expected counts as a list of run lengths or a text")
    return Bitmap(reading.runs(counts, height * width, where).reshape(width, height).T)


def _size(segmentation: dict[str, Any], where: str) -> tuple[int, int]:
    given = segmentation.get("size")
    found = reading.size(given[0], given[1], where) if isinstance(given, list) and len(given) == 2 else None
    if found is None:
        raise DataError(
            f"{where}: expected the size of the run lengths as [height, width], got {reading.short(given)}"
        )
    return found


def size_of_runs(segmentation: Any, where: str) -> tuple[int, int] | None:
    """Return the height and width of run lengths; None for polygons.

    Raises:
        DataError: If they tell none.
    """
    return _size(segmentation, where) if segmentation and isinstance(segmentation, dict) else None


def _decompress(text: str, where: str) -> list[int]:
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 60:
            raise DataError(f"{where}: {character!r} is no sign of compressed run lengths; export it again")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:  # more to come
            continue
        if code & 16:  # negative
            value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = shift = 0
    if shift:
        raise DataError(f"{where}: the compressed run lengths break off; export it again")
    return lengths
