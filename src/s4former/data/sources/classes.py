"""Reads the class names, colors and values to ignore of a data set."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s4former.config.errors import DataError
from s4former.data.sources.base import Classes, MaskValue
from s4former.types import IGNORE

_HEX = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
_RANGE = -(2**31), 2**32 - 1
"""What 32 bits hold, with a sign or without."""
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


def _ignore(value: Any, path: Path) -> tuple[MaskValue, ...]:
    try:
        return mask_values(value)
    except ValueError as error:
        raise DataError(f"{path}: ignore_index: {error}") from None


def mask_values(value: Any) -> tuple[MaskValue, ...]:
    """Return what a person wrote of the values of a class, or of those to ignore.

    That is one value or a list of them, each a number or a color, ``[r, g, b]`` or ``"#rrggbb"``. A list of
    three levels of which two are equal, as ``[0, 0, 0]``, is one color: nobody lists a number twice.

    Raises:
        ValueError: If it is anything else; the message says what to write.
    """
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (_mask_value(value),)
    if len(value) == 3 and all(_is_whole(item, 0, 255) for item in value) and len(set(value)) < 3:
        return (_mask_value(value),)
    return tuple(_mask_value(item) for item in value)


def as_color(value: Any) -> Any:
    """Return ``"#rrggbb"`` as three numbers, and anything else as it is."""
    found = _HEX.fullmatch(value) if isinstance(value, str) else None
    return tuple(int(channel, 16) for channel in found.groups()) if found else value


def _mask_value(value: Any) -> MaskValue:
    value = tuple(value) if isinstance(value, list) else as_color(value)
    is_color = isinstance(value, tuple) and len(value) == 3 and all(_is_whole(item, 0, 255) for item in value)
    if not is_color and not _is_whole(value, *_RANGE):
        given = list(value) if isinstance(value, tuple) else value
        raise ValueError(
            f"got {given!r}; a mask value is a whole number from {_RANGE[0]} to {_RANGE[1]}, or a color as "
            '[255, 0, 0] or "#ff0000" (with quotes)'
        )
    found: MaskValue = value
    return found


def _is_whole(value: Any, lowest: int, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= largest
