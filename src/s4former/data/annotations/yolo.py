"""YOLO polygons: a text file an image, a line a shape.

A line is ``class x1 y1 x2 y2 ...`` in fractions of the image's width and height.

Source: the pages on segmentation data sets of Ultralytics; class names come from ``data.yaml`` (``names``),
``classes.txt`` or ``obj.names``. The format knows no order of drawing, so smaller shapes go over larger ones.
It gives no sizes either: coordinates are taken as of the picture as viewers show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from s4former.config.errors import DataError
from s4former.data.annotations import reading
from s4former.data.annotations.shapes import AnnotatedImage, Notes, Polygon, Shape

_LISTS = {"classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt"}
_NAMES = ("data.yaml", "data.yml", "classes.txt", "obj.names")
_FARTHEST = 1.5  # tools write points a little outside of the image; more means that these are no fractions


def files(path: Path) -> list[Path]:
    """Return the files that hold the annotations and the names."""
    names = _names_file(path)
    return _label_files(path) + ([names] if names else [])


def looks_like(path: Path) -> bool:
    """Say whether a folder, or the folder of a ``data.yaml``, holds labels of this format."""
    for file in _label_files(path)[:20]:
        for line in _lines(file):
            return len(line) >= 5 and all(_is_number(word) for word in line)
    return False


def class_names(path: Path) -> list[str]:
    """Return the names of the classes; ``class_0``, ``class_1``, ... where no file gives them.

    Raises:
        DataError: If a file is broken.
    """
    names = _names(path)
    if names is None:
        classes = [_class(line, f"{file}") for file in _label_files(path) for line in _lines(file)]
        return [f"class_{number}" for number in range(max(classes, default=-1) + 1)]
    return [name for _, name in sorted(names.items())]


def images(path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
    """Return an image for every text file.

    Raises:
        DataError: If the file with the names is broken, or all lines are boxes.
    """
    names = _names(path)
    root = _root(path)
    found = _label_files(path)
    lengths = [len(line) for file in found for line in _lines(file)]
    if lengths and max(lengths) == 5:
        raise DataError(
            f"{path}: all {len(lengths)} lines hold a class and 4 numbers: these are boxes of a detection "
            "data set, not masks; expected polygons: class x1 y1 x2 y2 x3 y3 ..."
        )
    for file in found:
        folders = ["images" if part == "labels" else part for part in file.relative_to(root).parts[:-1]]
        name = "/".join([*folders, file.stem])
        yield AnnotatedImage((name,), str(file), partial(_shapes, file, names))


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
        found = [line.strip() for line in _read(file).splitlines() if line.strip()]
    if isinstance(found, list):
        found = dict(enumerate(found))
    if not isinstance(found, dict) or not all(isinstance(key, int) and key >= 0 for key in found):
        raise DataError(f"{file}: expected names as a list, or as numbers with a name each")
    return {number: reading.text(str(name), f"{file}: names", "a name") for number, name in found.items()}


def _shapes(file: Path, names: dict[int, str] | None, notes: Notes) -> list[Shape]:
    shapes = []
    for number, line in enumerate(_lines(file), start=1):
        where = f"{file}: shape {number}"
        index = _class(line, where)
        label = index if names is None else names.get(index)
        if label is None:
            raise DataError(
                f"{where}: class {index} has no name; add it to the names in data.yaml or classes.txt"
            )
        if len(line) == 5:
            notes.add("boxes (a class and 4 numbers) among the polygons, left out", where)
            continue
        if len(line) % 2 == 0:
            raise DataError(f"{where}: expected class x1 y1 x2 y2 ..., got {len(line) - 1} coordinates")
        corners = reading.points([line[at : at + 2] for at in range(1, len(line), 2)], where)
        if len(corners) < 3:
            notes.add("polygons of fewer than 3 points, left out", where)
            continue
        if abs(corners).max() > _FARTHEST:
            raise DataError(
                f"{where}: expected coordinates from 0 to 1, fractions of the image's width and height, "
                f"got {abs(corners).max():g}"
            )
        shapes.append(Shape(label, (Polygon(corners, relative=True),), where))
    return shapes


def _class(line: list[str], where: str) -> int:
    if not line[0].isdecimal():
        raise DataError(f"{where}: expected a class number at the start of a line, got {line[0]!r}")
    return int(line[0])


def _lines(file: Path) -> list[list[str]]:
    return [line.split() for line in _read(file).splitlines() if line.strip()]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the annotation file {file}: {error}") from error


def _load_yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(_read(file))
    except yaml.YAMLError as error:
        raise DataError(f"cannot read {file}: {error}") from error


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
