"""Label Studio json, its full export and JSON-MIN: polygons, brushes, rectangles and ellipses.

Source: Label Studio's pages on its export format and on the tags. Coordinates are percent of the image,
turned rectangles pivot on their upper left corner, ellipses on their center. Later regions go over earlier
ones. Of several annotations of one image the one marked as ground truth counts, else the last one. Label
Studio draws on the picture as browsers show it, with its EXIF rotation applied; one that was turned with
Label Studio's own button is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from s4former.config.errors import DataError
from s4former.data.annotations import reading
from s4former.data.annotations.brush import decode_brush
from s4former.data.annotations.shapes import (
    AnnotatedImage,
    Ellipse,
    Notes,
    Polygon,
    Region,
    Shape,
    rectangle,
)
from s4former.data.splits.lists import SUFFIXES

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio puts this before the name of an uploaded file


@dataclass(frozen=True)
class _Annotation:
    """What one person drew on one image; regions are flat records, as JSON-MIN writes them."""

    names: tuple[str, ...]
    where: str
    regions: list[dict[str, Any]]
    rank: tuple[bool, str]


def files(path: Path) -> list[Path]:
    """Return the files that hold the annotations."""
    return [reading.only_file(path, ".json")]


def looks_like(content: Any) -> bool:
    """Say whether a JSON file's content is of this format."""
    first = content[0] if isinstance(content, list) and content else None
    if not isinstance(first, dict):
        return False
    return _is_full(first) or ("id" in first and bool(_image_values(first)))


def class_names(path: Path) -> list[str]:
    """Return the labels that occur, sorted.

    Raises:
        DataError: If the file is broken.
    """
    regions = (region for annotation in _annotations(path, Notes()) for region in annotation.regions)
    return sorted({label for region in regions for label in _labels(region)[:1]})


def images(path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
    """Return the images of a file with their regions; tasks that nobody annotated are left out.

    Raises:
        DataError: If the file is broken.
    """
    chosen: dict[str, _Annotation] = {}
    for annotation in _annotations(path, notes):
        other = chosen.get(annotation.names[0])
        if other is not None:
            notes.add(
                "further annotations of one image, of which ground truth or the last counts", other.where
            )
        if other is None or annotation.rank >= other.rank:
            chosen[annotation.names[0]] = annotation
    for annotation in chosen.values():
        sizes = {_size(region, annotation.where) for region in annotation.regions}
        if len(sizes) > 1:
            raise DataError(
                f"{annotation.where}: its regions were drawn on images of different sizes: {sizes}"
            )
        shapes = partial(_shapes, annotation.regions, annotation.where)
        yield AnnotatedImage(annotation.names, annotation.where, shapes, next(iter(sizes), None))


def _annotations(path: Path, notes: Notes) -> Iterator[_Annotation]:
    file = reading.only_file(path, ".json")
    for index, task in enumerate(reading.entries(reading.load_json(file), str(file))):
        where = f"{file}: task {task.get('id', index)}"
        if not _is_full(task):
            listed = (item for value in task.values() if isinstance(value, list) for item in value)
            regions = [item for item in listed if isinstance(item, dict) and "original_width" in item]
            yield _Annotation(_names(task, where), where, regions, (False, str(task.get("updated_at", ""))))
            continue
        own = reading.entries(task.get("annotations", task.get("completions")), where)
        own = [annotation for annotation in own if not annotation.get("was_cancelled")]
        if not own:
            notes.add("tasks that nobody annotated, left out", where)
        for annotation in own:
            rank = bool(annotation.get("ground_truth")), str(annotation.get("updated_at", ""))
            results = reading.entries(annotation.get("result"), where)
            regions = [
                {**result, **result["value"]} for result in results if isinstance(result.get("value"), dict)
            ]
            drawn = [region for region in regions if "original_width" in region]
            yield _Annotation(_names(task["data"], where), where, drawn, rank)


def _is_full(task: dict[str, Any]) -> bool:
    return isinstance(task.get("data"), dict) and bool({"annotations", "completions"} & task.keys())


def _image_values(data: dict[str, Any]) -> list[str]:
    """Return the texts that name an image, that of a field ``image`` first."""
    texts = sorted((key != "image", value) for key, value in data.items() if isinstance(value, str))
    return [value for other, value in texts if not other or _path(value).suffix.lower() in SUFFIXES]


def _path(value: str) -> PurePosixPath:
    """Return the file that a field means: a path, an address, or ``/data/local-files/?d=path``."""
    try:
        address = urlsplit(value, allow_fragments=False)  # file names may hold a #
    except ValueError:  # some text that is no address
        return PurePosixPath(value)
    local = parse_qs(address.query).get("d")
    return PurePosixPath(local[0] if local else unquote(address.path))


def _names(data: dict[str, Any], where: str) -> tuple[str, ...]:
    values = _image_values(data)
    if not values:
        raise DataError(
            f"{where}: none of the fields {', '.join(data)} names an image ({', '.join(SUFFIXES)})"
        )
    path = _path(values[0])
    original = _UPLOADED.sub("", path.name, count=1)
    return (str(path),) if original == path.name else (str(path), original)


def _labels(region: dict[str, Any]) -> list[str]:
    """Return the labels of a region; they are kept under the name of the tag, as in ``polygonlabels``."""
    found = (value for key, value in region.items() if key.endswith("labels") and isinstance(value, list))
    return [str(label).strip() for value in found for label in value]


def _size(region: dict[str, Any], where: str) -> tuple[int, int]:
    found = reading.size(region.get("original_height"), region.get("original_width"), where)
    if found is None:
        raise DataError(f"{where}: a region lacks original_width or original_height; export it again")
    return found


def _shapes(regions: list[dict[str, Any]], task: str, notes: Notes) -> list[Shape]:
    labeled = {region.get("id") for region in regions if _labels(region)}
    shapes = []
    for index, record in enumerate(regions):
        where = f"{task}: region {record.get('id', index)}"
        labels = _labels(record)
        if not labels:
            if record.get("id") not in labeled:  # labels may be in another record of the same region
                notes.add("regions without a label, left out", where)
            continue
        if record.get("image_rotation"):
            raise DataError(
                f"{where}: the image was turned by {record['image_rotation']} degrees in Label Studio; "
                "turn it back there and export again"
            )
        region = _region(record, where, notes)
        if region is not None:
            if len(labels) > 1:
                notes.add("regions with several labels, of which the first counts", where)
            shapes.append(Shape(labels[0], (region,), where))
    return shapes


def _region(record: dict[str, Any], where: str, notes: Notes) -> Region | None:
    height, width = _size(record, where)

    def get(name: str, whole: float) -> float:
        return reading.number(record.get(name), where, name) * whole / 100

    degrees = reading.number(record.get("rotation") or 0, where, "rotation")
    if "rle" in record:
        return decode_brush(record["rle"], height, width, where)
    if "points" in record:
        corners = reading.points(record["points"], where)
        if len(corners) >= 3 and record.get("closed", True):
            return Polygon(corners * np.array([width, height]) / 100)
        notes.add("polygons of fewer than 3 points or not closed, left out", where)
        return None
    if "radiusX" in record:
        radii = abs(get("radiusX", width)), abs(get("radiusY", height))
        return Ellipse((get("x", width), get("y", height)), radii, degrees)
    if {"x", "y", "width", "height"} <= record.keys():
        return rectangle(
            get("x", width), get("y", height), get("width", width), get("height", height), degrees
        )
    notes.add("points and other regions without an area, left out", where)
    return None
