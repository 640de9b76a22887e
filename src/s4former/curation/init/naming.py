"""Gives classes their names: those of a file beside the masks, or of a known data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from s4former.curation.init.class_names import NamedClass, names_beside
from s4former.curation.init.mask_survey import MaskSurvey, Suggestion
from s4former.data.classes import Color, MaskValue
from s4former.data.dataset_yaml import ClassEntry
from s4former.data.sources.known import KNOWN

_UNKNOWN = re.compile(r"void|ignored?|unlabell?ed|unknown|don.?t.?care", re.IGNORECASE)
_NUMBERED = re.compile(r"class_\d+")
_CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_MOST_IDS = 33
_ADE_LEAST = 75
"""So many different values up to 150 are ADE20K's."""
_TOLD_BY_COLOR = {"voc": "Pascal VOC", "cityscapes": "Cityscapes", "camvid": "CamVid", "ade20k": "ADE20K"}
_TOLD_BY = 3
"""Colors besides black that tell a known data set."""


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
        others = [NamedClass("void", value) for value in range(_MOST_IDS + 1) if value not in _CITYSCAPES_IDS]
        pairs = zip(_CITYSCAPES_IDS, cityscapes.names, cityscapes.colors, strict=True)
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
