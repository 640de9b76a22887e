"""Reads the class names, colors and values to ignore of a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from s4former.config.errors import DataError
from s4former.data.sources.base import Classes
from s4former.types import IGNORE

_EXAMPLE = '{"names": ["background", "cell"], "colors": [[0, 0, 0], [255, 0, 0]], "ignore_index": 255}'


def read_classes(path: Path) -> Classes:
    """Read the classes from a JSON file with ``names`` and, if wanted, ``colors`` and ``ignore_index``.

    Without colors, those of a ``classes`` list (records with ``color``) are taken, or else `default_colors`;
    without ``ignore_index`` it is 255. Other keys are left to other readers of the file.

    Raises:
        DataError: If the file is missing or does not hold what it should.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read the classes file {path}: {error}; it should look like {_EXAMPLE}"
        ) from error
    names = data.get("names") if isinstance(data, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{path} has no list of class names; it should look like {_EXAMPLE}")
    colors = data.get(
        "colors", [entry.get("color") for entry in _entries(data)] or default_colors(len(names))
    )
    return Classes(tuple(names), _colors(colors, path), _ignore(data.get("ignore_index", IGNORE), path))


def default_colors(count: int) -> tuple[tuple[int, int, int], ...]:
    """Return well separated colors, the first black.

    Source: the color map of the Pascal VOC development kit, whose bits spread the index over the channels.
    """

    def channel(index: int, first_bit: int) -> int:
        return sum(((index >> (3 * place + first_bit)) & 1) << (7 - place) for place in range(8))

    return tuple((channel(i, 0), channel(i, 1), channel(i, 2)) for i in range(count))


def _entries(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records of a ``classes`` list where each of them has a color."""
    entries = data.get("classes", [])
    complete = isinstance(entries, list) and all(
        isinstance(entry, dict) and "color" in entry for entry in entries
    )
    return entries if complete else []


def _colors(colors: Any, path: Path) -> tuple[tuple[int, int, int], ...]:
    try:
        triples = tuple((int(r), int(g), int(b)) for r, g, b in colors)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: expected colors as [red, green, blue] each, got {colors}") from error
    if any(not 0 <= value <= 255 for triple in triples for value in triple):
        raise DataError(f"{path}: colors are numbers from 0 to 255, got {colors}")
    return triples


def _ignore(value: Any, path: Path) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in values):
        raise DataError(f"{path}: expected ignore_index as a number or a list of numbers, got {value!r}")
    return tuple(values)
