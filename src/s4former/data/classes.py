"""The classes of a data set: names, colors, and what mask files hold for each; where they are read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s4former.config.errors import DataError
from s4former.config.regular import read_text
from s4former.types import IGNORE

Color = tuple[int, int, int]
MaskValue = int | Color
"""What a pixel of a mask file holds: a number, or an RGB color of 0 to 255 each."""
_HEX = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
_RANGE = -(2**31), 2**32 - 1
"""What 32 bits hold, with a sign or without."""
_EXAMPLE = '{"names": ["background", "cell"], "colors": [[0, 0, 0], [255, 0, 0]], "ignore_index": 255}'


@dataclass(frozen=True)
class Classes:
    """The classes of a data set, in the order of their indices.

    Attributes:
        names: One name per class index.
        colors: One RGB color (0 to 255) per class index, for pictures.
        ignore: Values in mask files that mean "unknown"; a reader turns them into `IGNORE`.
        values: What each class's pixels hold in mask files; none: class ``i`` is the value ``i``.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    ignore: tuple[MaskValue, ...] = (IGNORE,)
    values: tuple[tuple[MaskValue, ...], ...] | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.names) <= IGNORE:
            raise DataError(f"a data set has 1 to {IGNORE} classes, got {len(self.names)} names")
        if len(set(self.names)) != len(self.names):
            raise DataError(f"class names must differ, got {', '.join(self.names)}")
        if len(self.colors) != len(self.names):
            raise DataError(
                f"expected one color per class: {len(self.names)} names, {len(self.colors)} colors"
            )
        if self.values is not None and len(self.values) != len(self.names):
            raise DataError(
                f"expected values for each class: {len(self.names)} names, {len(self.values)} lists of values"
            )
        self._require_one_meaning()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def meanings(self) -> dict[MaskValue, int]:
        """The class index of each value that mask files may hold, `IGNORE` for values to ignore."""
        values = self.values or tuple((index,) for index in range(len(self.names)))
        meanings = {value: index for index, own in enumerate(values) for value in own}
        return meanings | dict.fromkeys(self.ignore, IGNORE)

    def _require_one_meaning(self) -> None:
        """Refuse values of two meanings; a number and the gray of that level are one value."""
        owners: dict[MaskValue, str] = {}
        for index, own in enumerate(self.values or [(index,) for index in range(len(self.names))]):
            for value in own:
                other = owners.setdefault(_as_number(value), self.names[index])
                if other != self.names[index]:
                    raise DataError(
                        f"mask value {shown(value)} is both the class {other!r} and the class "
                        f"{self.names[index]!r}; take it out of the values of one of them"
                    )
        both = [value for value in self.ignore if _as_number(value) in owners]
        if both:
            raise DataError(
                f"mask value {shown(both[0])} is both the class {owners[_as_number(both[0])]!r} and a value "
                "to ignore; take it out of the class's values (a class that has no other: out of names) or "
                "out of what is ignored"
            )


def _as_number(value: MaskValue) -> MaskValue:
    """Return a gray color as its level."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def shown(value: MaskValue) -> str:
    """Return a mask value as a data set's file has it: a number, or ``[r, g, b]``."""
    return str(list(value)) if isinstance(value, tuple) else str(value)


def read_classes(path: Path) -> Classes:
    """Read the classes from a JSON file with ``names`` and, if wanted, ``colors`` and ``ignore_index``.

    Without colors, those of a ``classes`` list (records with ``color``) are taken, or else `default_colors`;
    without ``ignore_index`` it is 255. Other keys are left to other readers of the file.

    Raises:
        DataError: If the file is missing or does not hold what it should.
    """
    try:
        data = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
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
