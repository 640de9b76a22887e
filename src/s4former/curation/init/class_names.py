"""Names of classes that lie beside masks, in whatever list, table or label map a tool left there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s4former.data.classes import Color, as_color

_FILE = re.compile(
    r"_?(class(es)?|labels?)([_-]?(names?|maps?|dict|colou?rs?))?\.(txt|json|csv)"
    r"|(id2label|dataset)\.json|obj\.names",
    re.IGNORECASE,
)
_THREE = r"(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})"
_LINES = {
    # "car:0,0,142::" of CVAT's labelmap.txt, "Animal,64,128,64" of class_dict.csv
    "name color": re.compile(rf"(?P<name>.+?)\s*[:,;\t ]\s*{_THREE}\s*(?:[:,;].*)?"),
    "color name": re.compile(rf"{_THREE}\s*[:,;\t ]\s*(?P<name>\D.*)"),
    "value name": re.compile(r"(?P<value>\d+)\s*[:,;=\t ]\s*(?P<name>\S.*)"),
    "name value": re.compile(r"(?P<name>.*\S)\s*[:,;=\t]\s*(?P<value>\d+)"),
    "name": re.compile(r"(?P<name>[^,;:\t]+)"),
}
_LARGEST = 1_000_000
"""Bytes; a larger file is no list of classes."""


@dataclass(frozen=True)
class NamedClass:
    """A class as a file lists it.

    Attributes:
        name: Its name.
        value: What its pixels hold; None: the file does not say.
        color: Its color, likewise.
    """

    name: str
    value: int | None = None
    color: Color | None = None


def names_beside(masks: Path) -> tuple[Path, list[NamedClass]] | None:
    """Return the classes that a file lists in the folder of masks, or above it, and the file; None: none."""
    folder = masks if masks.is_dir() else masks.parent
    for place in (folder, folder.resolve().parent):
        for file in sorted(place.iterdir()) if place.is_dir() else ():
            if _FILE.fullmatch(file.name) and file.is_file() and file.stat().st_size < _LARGEST:
                found = _read(file)
                names = {each.name for each in found if each.name.isprintable()}
                if found and len(names) == len(found):
                    return file, found
    return None


def _read(file: Path) -> list[NamedClass]:
    """Return what a file lists; nothing if it is no list of classes."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        return list(_of_json(json.loads(text))) if file.suffix.lower() == ".json" else _of_lines(text)
    except (ValueError, TypeError, OSError, RecursionError):
        return []


def _of_lines(text: str) -> list[NamedClass]:
    """Return the classes of lines that are all alike; a first line that is not is a heading."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    for rest in (lines, lines[1:]):
        for pattern in _LINES.values() if rest else ():
            found = [pattern.fullmatch(line) for line in rest]
            if all(found):
                return [_of_match(match) for match in found if match]
    return []


def _of_match(match: re.Match[str]) -> NamedClass:
    groups = match.groupdict()
    value = groups.get("value")
    numbers = tuple(int(each) for each in match.groups() if each and each.isdecimal() and value is None)
    return _named(groups["name"], int(value) if value else None, numbers if len(numbers) >= 3 else None)


def _of_json(data: Any) -> Iterator[NamedClass]:
    """Yield the classes of a list of names or records, or of a mapping of names and numbers or colors."""
    if not isinstance(data, Mapping):
        for entry in data:
            record = {"name": entry} if isinstance(entry, str) else dict(entry)
            name = next(record[key] for key in ("name", "title", "label") if isinstance(record.get(key), str))
            values: list[Any] = [record.get(key) for key in ("id", "value", "index")]
            value = next((each for each in values if isinstance(each, int)), None)
            yield _named(name, value, record.get("color"))
        return
    inner = next((data[key] for key in ("names", "classes", "labels", "categories") if key in data), None)
    if inner is not None:
        for each, color in zip(_of_json(inner), data.get("colors") or [None] * len(inner), strict=True):
            yield _named(each.name, each.value, each.color or color)
        return
    for key, value in data.items():
        if str(key).isdecimal():
            yield _named(str(value), int(key), None)
        else:
            yield _named(key, *((value, None) if isinstance(value, int) else (None, value)))


def _named(name: str, value: int | None, color: Any) -> NamedClass:
    """Return a class; ``_background_`` is how labelme writes background."""
    levels: Sequence[int] = as_color(color) if color is not None else ()
    return NamedClass(name.strip().strip("_\"'"), value, tuple(map(int, levels[:3])) if levels else None)  # type: ignore[arg-type]
