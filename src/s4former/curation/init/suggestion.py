"""The classes that undescribed masks suggest, with the reason for each decision."""

from __future__ import annotations

from collections.abc import Set

from s4former.config.errors import DataError
from s4former.curation.init.mask_colors import classes_of_colors, told_by_color
from s4former.curation.init.mask_survey import MaskSurvey, Suggestion, require_few
from s4former.data.classes import shown
from s4former.data.dataset_yaml import ClassEntry
from s4former.data.sources.known import KNOWN
from s4former.data.sources.mask_files import NODATA
from s4former.data.split_lists import first_few
from s4former.types import IGNORE

_HIGHEST = (IGNORE, 65535)
"""All bits set, of 8 and of 16: what many programs write for unknown, and others for foreground."""
_HANDFUL, _TIMES = 16, 500
"""A stray value has at most so many pixels a mask, and black and white so many times more."""
_GRAY_LEVEL = 64
"""From here on a single value between black and white is a gray level rather than the number of a class."""


def suggest_classes(survey: MaskSurvey) -> Suggestion:
    """Return the classes that masks seem to hold.

    Raises:
        DataError: If they hold no classes, or two habits between which a person must decide.
    """
    _require_crisp(survey)
    said = [*_about_storage(survey)]
    if any(look.pages for look in survey.looks):
        found = _pages(survey)
    elif told_by_color(survey):
        found = classes_of_colors(survey)
    else:
        require_few(len(survey.pixels), "values")
        found = _numbers(survey)
    return Suggestion(found.names, found.ignore, (*said, *found.said))


def _require_crisp(survey: MaskSurvey) -> None:
    soft = [look for look in survey.looks if look.is_soft]
    if soft:
        low, high = min(soft[0].numbers), max(soft[0].numbers)
        raise DataError(
            f"{survey.share([look.name for look in soft])} hold many values, nearly all pixels {low} or "
            f"{high} and the rest between them: they have soft edges (smoothing, resizing or JPEG on their "
            "way). Export them without, as PNG, so that each pixel holds one class"
        )
    mixed = survey.named(lambda look: look.is_mixed)
    if mixed:
        raise DataError(
            f"{survey.share(mixed)} hold a few colors and many mixtures of them: they have soft edges "
            "(smoothing, resizing or JPEG on their way). Export them without, as PNG, so that each pixel "
            "holds the color of one class"
        )
    blends, sure = survey.blended
    if sure:
        own = survey.named(lambda look: look.pixels.keys() & set(blends))
        raise DataError(
            f"{survey.share(own)} hold values that lie nowhere but where two others meet, and between them: "
            f"{first_few(list(map(shown, blends)))}: they have soft edges (smoothing, resizing or JPEG on "
            "their way). Export them without, as PNG, so that each pixel holds one class"
        )


def _about_storage(survey: MaskSurvey) -> list[str]:
    said = []
    white = survey.named(lambda look: "0 is white" in look.kind)
    if white:
        said.append(
            f"{survey.share(white)} say that 0 is to be shown white; the numbers are taken as they are "
            "stored, so 0 stays 0"
        )
    blends, _ = survey.blended
    if blends:
        said.append(
            f"{first_few(list(map(shown, blends)))} lies nowhere but where two other values meet, and "
            "between them: if it is no border that was drawn, but comes from smoothing or resizing, export "
            "the masks without"
        )
    alpha = survey.named(lambda look: look.kind == "transparency")
    if alpha:
        said.append(f"{survey.share(alpha)} have one color only: their transparency is taken for the mask")
    return said


def _pages(survey: MaskSurvey) -> Suggestion:
    counts = {look.pages for look in survey.looks}
    if len(counts) > 1:
        each = [f"{look.name} has {look.pages or 'no'}" for look in survey.looks]
        raise DataError(
            "some masks have a page (or channel) a class and masks differ in their number: "
            f"{first_few(each)}; save all of them alike, as one page whose values are the classes"
        )
    count, none = counts.pop(), survey.named(lambda look: 0 in look.numbers)
    if none:
        entries = (ClassEntry(name="background", values=(0,)), *_page_entries(count, 1))
        said = (
            f"each of the {count} pages (or channels) of a mask is taken for a class, and pixels in none of "
            f"them, as in {first_few(none, 3)}, for background: page 1 is class_1"
        )
    else:
        entries = _page_entries(count, 0)
        said = (
            f"each of the {count} pages (or channels) of a mask is taken for a class, in their order; every "
            "pixel is in one"
        )
    return Suggestion(entries, (IGNORE,), (said,))


def _page_entries(count: int, first: int) -> tuple[ClassEntry, ...]:
    return tuple(ClassEntry(name=f"class_{i}", values=(i,)) for i in range(first, first + count))


def _numbers(survey: MaskSurvey) -> Suggestion:
    values = {value for value in survey.pixels if isinstance(value, int)}
    nodata, said = _declared(survey, values)
    unknown = _unknown_nodata(nodata, values)
    values |= nodata - unknown
    negative = sorted(value for value in values if value < 0)
    if negative:
        said.append(
            f"{', '.join(map(str, negative))} is taken for unknown, being below 0; if it is a class, add it "
            "to names and take it out of ignore"
        )
    values -= set(negative)
    strays, about = _strays(survey, values)
    said += about
    values, unknown = values - strays, unknown | strays
    same_as_1 = set[int]()
    for top in sorted(values & set(_HIGHEST)):
        verdict, about = _highest(survey, values, top)
        said += about
        if verdict == "unknown":
            unknown.add(top)
        elif verdict == "foreground":
            same_as_1.add(top)
    classes = sorted(values - unknown - same_as_1)
    ignore = tuple(sorted({*negative, *unknown}))
    if survey.palette and (bare := survey.without_palette):
        said.append(
            f"{survey.share(bare)} have no palette: their numbers are taken for indices of the others'"
        )
    entries, about = _entries(survey, classes, tuple(sorted(same_as_1)))
    return Suggestion(entries, ignore, (*said, *about))


def _strays(survey: MaskSurvey, values: set[int]) -> tuple[set[int], list[str]]:
    """Return values of a handful of pixels in masks of black and white, and what to say of them.

    Such pixels are left behind by erasers and filters; taken for classes, they would make white unknown.
    """
    white = values & set(_HIGHEST)
    others = values - white - {0}
    if 0 not in values or len(white) != 1 or survey.palette:
        return set(), []
    least = min(survey.pixels[0], *(survey.pixels[value] for value in white))
    for value in others:
        holding = sum(value in look.numbers for look in survey.looks)
        if survey.pixels[value] > min(_HANDFUL * holding, least / _TIMES):
            return set(), []
    if not others:
        return set(), []
    named = survey.named(lambda look: look.numbers & others)
    counts = [f"{value} ({survey.pixels[value]} pixels)" for value in sorted(others)]
    return others, [
        f"masks hold 0 and {white.pop()}, and a handful of pixels of other values, {first_few(counts)} in "
        f"{survey.share(named)}: these are taken for unknown; are they left over from drawing? If they are "
        "classes, add them to names and take them out of ignore"
    ]


def _unknown_nodata(nodata: set[int], values: set[int]) -> set[int]:
    """Return which declared values are unknown: all, unless fewer than two classes were left."""
    return nodata if len([value for value in values - nodata if value >= 0]) > 1 else set()


def _declared(survey: MaskSurvey, values: set[int]) -> tuple[set[int], list[str]]:
    """Return the values that files declare to be no data, and what to say of unknown pixels."""
    nodata = {look.nodata for look in survey.looks if look.nodata is not None}
    said = []
    named = survey.named(lambda look: look.nodata is not None)
    listed = ", ".join(map(str, sorted(nodata)))
    if nodata and _unknown_nodata(nodata, values):
        said.append(
            f"{survey.share(named)} declare {listed} to be no data: it is taken for unknown; if it is a "
            "class, add it to names and take it out of ignore"
        )
    elif nodata:
        said.append(
            f"{survey.share(named)} declare {listed} to be no data, but hold one other value only: it is "
            "taken for a class; if it is unknown, move it to ignore"
        )
    others = survey.named(lambda look: NODATA in look.pixels and look.nodata is None)
    if others:
        said.append(
            f"{survey.share(others)} have pixels that are not a number or not valid: they are unknown"
        )
    return nodata, said


def _highest(survey: MaskSurvey, values: set[int], top: int) -> tuple[str, list[str]]:
    """Return whether 255 (or 65535) is unknown, the foreground, or one more class, and what to say of it.

    Each mask is looked at by itself: where 255 is all there is beside 0, it may be the foreground.
    """
    others = values - {top}
    if others <= {0}:
        return "class", []
    objects = others - {0, *_HIGHEST}
    alone = survey.named(lambda look: top in look.numbers and look.numbers <= {0, top})
    beside = survey.named(lambda look: top in look.numbers and look.numbers & objects)
    whole = survey.named(lambda look: look.numbers == {top})
    if not beside and alone == whole and not _gray_levels(others, top):
        return "unknown", [
            f"{survey.share(whole)} hold {top} and nothing else, and no other mask holds it: it is taken for "
            "unknown; if it is a class, add it to names and write ignore: []"
        ]
    if objects == {1} and not beside:
        return "foreground", [
            f"{survey.share(alone)} hold 0 and {top} and the others 0 and 1: {top} and 1 are both taken for "
            f"the class foreground; if {top} means unknown, write values: [1] for it, and ignore: [{top}]"
        ]
    if not beside and alone:
        return "class", [
            f"{survey.share(alone)} hold {top} and nothing but 0, and no other mask holds it: it is taken "
            f"for a class of its own; if it is one of the others, add {top} to its values, and if it is "
            "unknown, move it to ignore"
        ]
    gray = survey.named(lambda look: look.name in beside and _gray_levels(look.numbers - {top}, top))
    if _gray_levels(others, top) or 2 * len(gray) > len(beside):
        return "class", [
            f"value {top} is taken for a class, as the values are gray levels from black to white; if it is "
            "unknown, move it to ignore"
        ]
    said = [f"value {top} is taken for unknown; if it is a class, add it to names and write ignore: []"]
    if alone:
        said.append(
            f"look at {survey.share(alone)}: they hold 0 and {top} only, so that nothing in them is an "
            f"object; if {top} is the foreground there, save them like the others"
        )
    return "unknown", said


def _gray_levels(others: Set[int], top: int) -> bool:
    """Whether values divide the way from black to white evenly, or have a single gray between."""
    levels = sorted(others | {top, 0})
    step = top / (len(levels) - 1)
    even = all(abs(level - i * step) <= 2 for i, level in enumerate(levels))
    return (even and step > 2) or (len(levels) == 3 and levels[1] >= _GRAY_LEVEL)


def _entries(
    survey: MaskSurvey, classes: list[int], same_as_1: tuple[int, ...]
) -> tuple[tuple[ClassEntry, ...], list[str]]:
    voc = KNOWN["voc"]
    if len(classes) > 2 and all(v < len(voc) and survey.palette.get(v) == voc.colors[v] for v in classes):
        entries = tuple(ClassEntry(name=name, values=(index,)) for index, name in enumerate(voc.names))
        return entries, ["the palette is Pascal VOC's, so the classes are its 21"]
    if len(classes) <= 2 and (0 in classes or len(classes) == 1):
        return _binary(survey, next((value for value in classes if value), 1), same_as_1)
    if classes and classes[0] == 0 and classes[-1] < min(IGNORE, 2 * len(classes)):
        classes = list(range(classes[-1] + 1))  # the few gaps may be in masks that were not looked at
    entries = tuple(  # each with its value, so that lines can be moved or taken out without a shift
        ClassEntry(name=f"class_{value}", values=(value,), color=survey.palette.get(value))
        for value in classes
    )
    return entries, [f"{len(entries)} classes, a value each"]


def _binary(
    survey: MaskSurvey, foreground: int, same: tuple[int, ...]
) -> tuple[tuple[ClassEntry, ...], list[str]]:
    color = survey.palette.get(foreground)
    entries = (
        ClassEntry(name="background", values=(0,), color=survey.palette.get(0)),
        ClassEntry(
            name="foreground",
            values=(foreground, *same),
            color=color if color and color != survey.palette.get(0) else (255, 0, 0),
        ),
    )
    if same:
        return entries, []
    what = f"masks hold only 0 and {foreground}" if survey.pixels[foreground] else "masks hold nothing but 0"
    said = [
        f"{what}: 0 is taken for background and {foreground} for the class foreground; to change this, edit "
        "names in dataset.yaml"
    ]
    if foreground == IGNORE:
        said.append(
            f"if {IGNORE} means unknown instead, write ignore: [{IGNORE}] and another value for foreground"
        )
    return entries, said
