"""Gives classes their names: those of a file beside the masks, or of a known data set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from s4former.curation.init.mask_survey import MaskSurvey, Suggestion
from s4former.curation.prepare.cityscapes import LABEL_IDS
from s4former.data.classes import Color, MaskValue, as_color
from s4former.data.dataset_yaml import ClassEntry
from s4former.data.sources.known import KNOWN

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
_UNKNOWN = re.compile(r"void|ignored?|unlabell?ed|unknown|don.?t.?care", re.IGNORECASE)
_NUMBERED = re.compile(r"class_\d+")
_MOST_IDS = max(LABEL_IDS)
_ADE_LEAST = 75
"""So many different values up to 150 are ADE20K's."""
_TOLD_BY_COLOR = {"voc": "Pascal VOC", "cityscapes": "Cityscapes", "camvid": "CamVid", "ade20k": "ADE20K"}
_TOLD_BY = 3
"""Colors besides black that tell a known data set."""


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


def with_names(suggestion: Suggestion, survey: MaskSurvey, masks: Path) -> Suggestion:
    """Return the suggestion with names, and what was decided about them.

    Args:
        suggestion: The classes; those without names are called ``class_3`` and the like.
        survey: The masks.
        masks: Their folder.
    """
    listed, known = names_beside(masks), _known(suggestion, survey)
    origin, named = (listed[0].name, listed[1]) if listed else known or ("", [])
    found, said = _apply(suggestion, named), list(suggestion.said)
    if found:
        suggestion = found
        said.append(f"the {len(found.names)} classes have the names of {origin}")
        if unknown := [each.name for each in named if _UNKNOWN.fullmatch(each.name)]:
            said.append(
                f"{', '.join(dict.fromkeys(unknown))} is taken for unknown, as its name says; if it is a "
                "class, add it to names and take it out of ignore"
            )
    elif listed:
        said.append(
            f"{origin} names {len(named)} classes and the masks hold {len(suggestion.names)}: which is which "
            "cannot be told, so it is not used"
        )
    if any(_NUMBERED.fullmatch(entry.name) for entry in suggestion.names):
        said.append(
            f"{len(suggestion.names)} classes have no names: write them in dataset.yaml, or, one a line in "
            f"the order of their values, into {masks.name}/classes.txt, and type the same with --force"
        )
    return replace(suggestion, said=tuple(said))


def _apply(suggestion: Suggestion, named: Sequence[NamedClass]) -> Suggestion | None:
    """Return the suggestion with the names of a list, all of them; None if it does not fit the masks."""
    placed = _placed(suggestion.names, named)
    if placed is None:
        return None
    taken = {value for values, _ in placed for value in values}
    rest = [entry for entry in suggestion.names if not taken & set(entry.values or ())]
    unknown = [value for values, each in placed if _UNKNOWN.fullmatch(each.name) for value in values]
    classes = [(values, each) for values, each in placed if not _UNKNOWN.fullmatch(each.name)]
    if len(classes) < 2 or 2 * len(rest) > len(suggestion.names):
        return None
    palette = {value: entry.color for entry in suggestion.names for value in entry.values or ()}
    entries = [
        ClassEntry(name=each.name, values=values, color=_color(values, each.color or palette.get(values[0])))
        for values, each in classes
    ]
    own = {value for values, _ in classes for value in values}
    ignore = tuple(value for value in dict.fromkeys([*suggestion.ignore, *unknown]) if value not in own)
    return Suggestion((*entries, *rest), ignore, suggestion.said)


def _color(values: tuple[MaskValue, ...], color: Color | None) -> Color | None:
    """Return the color to write down: none where the values are colors."""
    return None if isinstance(values[0], tuple) else color


def _placed(
    entries: Sequence[ClassEntry], named: Sequence[NamedClass]
) -> list[tuple[tuple[MaskValue, ...], NamedClass]] | None:
    """Return the values of each class of a list; None if these cannot be told."""
    values = [entry.values or () for entry in entries]
    by_color = any(isinstance(value, tuple) for own in values for value in own)
    own_values = {value: own for own in values for value in own}
    if all(each.value is not None for each in named) and not by_color:
        return [(own_values.get(each.value, (each.value,)), each) for each in named if each.value is not None]
    if all(each.color for each in named):
        if by_color:
            return [(own_values.get(each.color, (each.color,)), each) for each in named if each.color]
        of_color = {entry.color: own for entry, own in zip(entries, values, strict=True) if entry.color}
        pairs = [(of_color[each.color], each) for each in named if each.color in of_color]
        if pairs:
            return pairs
    if by_color:
        return None
    named = [each for each in named if each.name != "ignore"]  # labelme's first line, which has no value
    numbers = [value for own in values for value in own if isinstance(value, int)]
    if numbers and max(numbers) < len(named):
        return [(own_values.get(index, (index,)), each) for index, each in enumerate(named)]
    if len(named) == len(entries) - 1 and 0 in values[0]:
        return [*zip(values, [NamedClass("background"), *named], strict=True)]
    return [*zip(values, named, strict=True)] if len(named) == len(entries) else None


def _known(suggestion: Suggestion, survey: MaskSurvey) -> tuple[str, list[NamedClass]] | None:
    """Return the data set that masks are of, and its classes: told by file names, values or colors."""
    names = [look.name for look in survey.looks]
    numbers = {value for entry in suggestion.names for value in entry.values or () if isinstance(value, int)}
    cityscapes, ade = KNOWN["cityscapes"], KNOWN["ade20k"]
    if all("_labelIds" in name for name in names) and max(numbers, default=0) <= _MOST_IDS:
        others = [NamedClass("void", value) for value in range(_MOST_IDS + 1) if value not in LABEL_IDS]
        pairs = zip(LABEL_IDS, cityscapes.names, cityscapes.colors, strict=True)
        return "Cityscapes", [*(NamedClass(name, value, color) for value, name, color in pairs), *others]
    if all("_labelTrainIds" in name for name in names) and max(numbers, default=0) < len(cityscapes):
        return "Cityscapes", _numbered(cityscapes.names, cityscapes.colors, 0)
    told = max(numbers, default=0) == len(ade) and len(numbers) >= _ADE_LEAST
    if max(numbers, default=0) <= len(ade) and (told or all("ADE_" in name for name in names)):
        return "ADE20K", [NamedClass("void", 0), *_numbered(ade.names, ade.colors, 1)]
    return _by_color(suggestion)


def _numbered(names: Sequence[str], colors: Sequence[Color], first: int) -> list[NamedClass]:
    pairs = zip(names, colors, strict=True)
    return [NamedClass(name, value, color) for value, (name, color) in enumerate(pairs, first)]


def _by_color(suggestion: Suggestion) -> tuple[str, list[NamedClass]] | None:
    colors = {value for entry in suggestion.names for value in entry.values or () if isinstance(value, tuple)}
    colors -= {(0, 0, 0)}
    for name, title in _TOLD_BY_COLOR.items():
        known = KNOWN[name]
        if len(colors) >= _TOLD_BY and colors <= set(known.colors):
            named = {color: NamedClass(known.names[i], None, color) for i, color in enumerate(known.colors)}
            named.setdefault((0, 0, 0), NamedClass("void", None, (0, 0, 0)))
            return title, [*named.values()]
    return None
