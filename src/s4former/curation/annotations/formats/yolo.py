"""YOLO polygons: a text file an image, a line a shape.

A line is ``class x1 y1 x2 y2 ...`` in fractions of the image's width and height. Boxes are ``class x y width
height``, with keypoints behind them where ``data.yaml`` has a ``kpt_shape``; models add a confidence.

Source: the pages on data sets for segmentation, detection and poses of Ultralytics; class names come from
``data.yaml`` (``names``), ``classes.txt`` or ``obj.names``. The format knows no order of drawing, so smaller
shapes go over larger ones. It gives no sizes either: coordinates are taken as of the picture as viewers show
it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from s4former.config.errors import DataError
from s4former.curation.annotations import reading
from s4former.curation.annotations.formats.base import AnnotationFormat
from s4former.curation.annotations.shapes import (
    DEGENERATE,
    AnnotatedImage,
    Notes,
    Polygon,
    Shape,
    Stroke,
    rectangle,
)

_LISTS = {"classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt"}
_NAMES = ("data.yaml", "data.yml", "classes.txt", "obj.names")
_FARTHEST = 1.5  # tools write points a little outside of the image; more means that these are no fractions


class Yolo(AnnotationFormat):
    """YOLO polygons, a text file an image."""

    larger_first = True
    file_per_image = True

    name: Literal["yolo"] = "yolo"
    """The format: this file's name."""

    def files(self, path: Path) -> list[Path]:
        """Return the files that hold the annotations and the names."""
        names = _names_file(path)
        return _label_files(path) + ([names] if names else [])

    def class_names(self, path: Path) -> list[str]:
        """Return the names of the classes; ``class_0``, ``class_1``, ... where no file gives them."""
        names = _names(path)
        if names is None:
            classes = [
                _class_number(line[0], str(file)) for file in _label_files(path) for line in _lines(file)
            ]
            return [f"class_{number}" for number in range(max(classes, default=-1) + 1)]
        return [name for _, name in sorted(names.items())]

    def images(self, path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
        """Return an image for every text file."""
        names, root = _names(path), _root(path)
        layout = _Layout(path)
        if layout.lengths == {9}:
            notes.add(
                "all shapes have four corners, and are drawn; if they are the oriented boxes of a detection "
                "data set, they are no outlines",
                str(path),
            )
        for file in _label_files(path):
            folders = ["images" if part == "labels" else part for part in file.relative_to(root).parts[:-1]]
            name = "/".join([*folders, file.stem])
            yield AnnotatedImage((name,), str(file), partial(_shapes, file, names, layout))

    def recognizes(self, path: Path, content: Any) -> bool:
        """Say whether a folder, or the folder of a ``data.yaml``, holds labels of this format."""
        if path.is_file() and path.suffix.lower() not in (".yaml", ".yml"):
            return False
        lines = (line for file in _label_files(path)[:20] for line in _lines(file))
        first = next(lines, None)
        return first is not None and len(first) >= 5 and all(map(_is_number, first))


class _Layout:
    """What the numbers of a line mean, which all files of a data set show together.

    Attributes:
        lengths: How many numbers lines have.
        pose: How many numbers a line has that is a box with keypoints; 0 if there are none.
        scored: Whether every line ends with a confidence, as models write it.
    """

    def __init__(self, path: Path) -> None:
        lines = [line for file in _label_files(path) for line in _lines(file)]
        self.lengths = {len(line) for line in lines}
        self.pose = self._keypoints(path)
        if not self.pose and lines and all(map(_seems_pose, lines)):
            raise DataError(
                f"{path}: all {len(lines)} lines seem to be a box with keypoints in it, not an outline: if "
                "they are, write kpt_shape into data.yaml, as [17, 3]"
            )
        even = [length % 2 == 0 and length > 5 for length in self.lengths]
        self.scored = bool(even) and all(even) and not self.pose

    @staticmethod
    def _keypoints(path: Path) -> int:
        file = _names_file(path)
        content = _load_yaml(file) if file and file.suffix.lower() in (".yaml", ".yml") else None
        shape = content.get("kpt_shape") if isinstance(content, dict) else None
        if shape is None:
            return 0
        if not isinstance(shape, list) or [type(value) for value in shape] != [int, int]:
            raise DataError(
                f"{file}: expected kpt_shape as [keypoints, numbers each], got {reading.short(shape)}"
            )
        return int(5 + shape[0] * shape[1])


def _root(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _label_files(path: Path) -> list[Path]:
    """Return the text files below ``labels`` folders; without such folders all but lists and readmes."""
    root = _root(path)
    texts = reading.files_below(root, ".txt")
    texts = [file for file in texts if file.name not in _LISTS and not file.name.lower().startswith("readme")]
    below = [file for file in texts if "labels" in file.relative_to(root).parts[:-1]]
    return below or texts


def _names_file(path: Path) -> Path | None:
    """Return the nearest file with class names: itself, or in the folder or the two above it."""
    if path.is_file() and path.suffix.lower() in (".yaml", ".yml"):
        return path
    root = _root(path).absolute()
    places = (folder / name for folder in [root, *list(root.parents)[:2]] for name in _NAMES)
    return next((place for place in places if place.is_file()), None)


def _names(path: Path) -> dict[int, str] | None:
    file = _names_file(path)
    if file is None:
        return None
    found: Any
    if file.suffix.lower() in (".yaml", ".yml"):
        content = _load_yaml(file)
        found = content.get("names") if isinstance(content, dict) else None
    else:
        found = [line.strip() for line in reading.text_of(file).splitlines() if line.strip()]
    where = f"{file}: names"
    listed = list(enumerate(found)) if isinstance(found, list) else None
    if isinstance(found, dict):
        listed = [(_class_number(number, where), name) for number, name in found.items()]
    names = {number: reading.text(_plain(name), where, "a name") for number, name in listed or ()}
    if listed is None or len(names) != len(listed):
        raise DataError(f"{where}: expected a list, or numbers with a name each")
    return names


def _plain(name: Any) -> Any:
    """Return a name as it was written: YAML reads some as numbers, dates or truth."""
    return str(name) if isinstance(name, float | bool | datetime.date) else name


def _shapes(file: Path, names: dict[int, str] | None, layout: _Layout, notes: Notes) -> list[Shape]:
    shapes = []
    for number, line in enumerate(_lines(file), start=1):
        where = f"{file}: shape {number}"
        index = _class_number(line[0], where)
        label = index if names is None else names.get(index)
        if label is None:
            raise DataError(
                f"{where}: class {index} has no name; add it to the names in data.yaml or classes.txt"
            )
        shapes.append(_shape(line, label, layout, where, notes))
    return shapes


def _shape(line: list[str], label: str | int, layout: _Layout, where: str, notes: Notes) -> Shape:
    if layout.scored:
        notes.add("shapes with a number behind their last point, taken for a confidence", where)
        line = line[:-1]
    if len(line) in (5, layout.pose):
        x, y, width, height = (reading.number(word, where, "a box") for word in line[1:5])
        _check_fractions(np.array([x, y, width, height]), where)
        box = rectangle(x - width / 2, y - height / 2, width, height)
        kind = "boxes without an outline" if len(line) == 5 else "boxes with keypoints (kpt_shape)"
        return Shape(label, (Polygon(box.points, relative=True),), where, unknown=kind)
    if len(line) % 2 == 0:
        raise DataError(f"{where}: expected class x1 y1 x2 y2 ..., got {len(line) - 1} coordinates")
    corners = reading.points([line[at : at + 2] for at in range(1, len(line), 2)], where)
    if not len(corners):
        raise DataError(f"{where}: expected class x1 y1 x2 y2 ..., got a class alone")
    _check_fractions(corners, where)
    if len(corners) < 3:
        return Shape(label, (Stroke(corners, relative=True),), where, unknown=DEGENERATE)
    return Shape(label, (Polygon(corners, relative=True),), where)


def _seems_pose(line: list[str]) -> bool:
    """Say whether numbers are a box and points in it, as x and y, or with a visibility of 0, 1 or 2."""
    if len(line) < 9 or not all(map(_is_number, line)):
        return False
    x, y, width, height, *rest = (float(word) for word in line[1:])
    for each in (2, 3):
        points = np.array(rest[: len(rest) // each * each]).reshape(-1, each)
        seen = points[(points[:, :2] != 0).any(axis=1)]
        inside = (abs(seen[:, :2] - (x, y)) <= np.array([width, height]) * 0.6).all()
        if len(rest) % each == 0 and len(seen) and inside and np.isin(points[:, 2:], (0, 1, 2)).all():
            return True
    return False


def _check_fractions(values: np.ndarray, where: str) -> None:
    if abs(values).max() > _FARTHEST:
        raise DataError(
            f"{where}: expected coordinates from 0 to 1, fractions of the image's width and height, "
            f"got {abs(values).max():g}"
        )


def _class_number(value: Any, where: str) -> int:
    number = reading.key(value, where, "a class number")
    if not isinstance(number, int) or number < 0:
        raise DataError(f"{where}: expected a class number, as 0, got {reading.short(value)}")
    return number


def _lines(file: Path) -> list[list[str]]:
    return [line.split() for line in reading.text_of(file).splitlines() if line.strip()]


def _load_yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(reading.text_of(file))
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise DataError(f"cannot read {file}: {error}") from error


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
