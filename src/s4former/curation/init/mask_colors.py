"""Classes of masks that differ by color: of colored files, and of palettes that differ."""

from __future__ import annotations

from s4former.config.errors import DataError
from s4former.curation.init.mask_survey import MOST, MaskLook, MaskSurvey, Suggestion, require_few
from s4former.data.classes import Color, shown
from s4former.data.dataset_yaml import ClassEntry
from s4former.data.sources.known import KNOWN
from s4former.data.sources.mask_files import NODATA
from s4former.data.sources.mask_layers import TRANSPARENT
from s4former.data.split_lists import first_few
from s4former.types import IGNORE

_BLACK = (0, 0, 0)
_NEAR, _DARK = 4, 32
"""Levels a channel by which nearly equal colors differ; and below which all colors are dark."""


def told_by_color(survey: MaskSurvey) -> bool:
    """Whether color alone tells: there are colors, or palettes that number them differently."""
    if any(look.in_color for look in survey.looks) or survey.disagreement:
        return True
    beyond = _gray(survey) - survey.palette.keys() - {IGNORE}
    return bool(
        survey.palette and beyond and any(set(color) != {color[0]} for color in survey.palette.values())
    )


def _gray(survey: MaskSurvey) -> set[int]:
    """Return the numbers in masks without a palette."""
    return {value for look in survey.looks if not look.palette for value in look.numbers}


def classes_of_colors(survey: MaskSurvey) -> Suggestion:
    """Return a class for each color that masks hold, those of their palettes included.

    Raises:
        DataError: If there are too many, or colors do not tell the classes apart.
    """
    numbers: dict[Color, tuple[int, ...]] = {}
    said: list[str] = []
    if survey.palette:
        said, numbers = _about_palettes(survey)
    found = dict.fromkeys(color for look in survey.looks for color in _colors_of(look, numbers))
    _require_few_colors(len(found), survey)
    voc, border = KNOWN["voc"], (224, 224, 192)
    ignore = (border,) if border in found and set(voc.colors) & found.keys() - {_BLACK} else ()
    order = {color: index for index, color in reversed(survey.palette.items())} if survey.palette else {}
    colors = sorted(found.keys() - set(ignore), key=lambda color: (order.get(color, MOST + 1), color))
    entries = tuple(
        ClassEntry(
            name="background" if color == _BLACK else f"class_{index}",
            values=(color, *numbers.get(color, ())),
        )
        for index, color in enumerate(colors)
    )
    said.append(f"{len(entries)} colors, a class each")
    if _BLACK in colors:
        said.append(
            "black is taken for background; if it is unknown, write ignore: [[0, 0, 0]] and take the class "
            "background out of names"
        )
    said += _nearly_equal(survey)
    if ignore:
        said.append(f"{shown(border)}, the border of Pascal VOC's objects, is taken for unknown")
    return Suggestion(entries, ignore, tuple(said))


def _require_few_colors(count: int, survey: MaskSurvey) -> None:
    transparent = survey.named(lambda look: look.kind.endswith(TRANSPARENT))
    if count > MOST and transparent:
        raise DataError(
            f"the masks hold more than {MOST} different colors, and {survey.share(transparent)} are "
            "transparent in places, where a program may have left any color beneath: save them without "
            "transparency, with one color for what was transparent"
        )
    require_few(count, "colors")


def _nearly_equal(survey: MaskSurvey) -> list[str]:
    """Return what to say of colors that are nearly the same, which a program may have made of one."""
    colors = [value for value, _ in survey.pixels.most_common() if isinstance(value, tuple)]
    colors = [color for color in colors if max(color) > _DARK or color == _BLACK]  # else numbers in red
    pairs = [
        f"{shown(rare)} ({survey.pixels[rare]} pixels) and {shown(color)} ({survey.pixels[color]})"
        for index, color in enumerate(colors)
        for rare in colors[index + 1 :]
        if max(abs(a - b) for a, b in zip(rare, color, strict=True)) <= _NEAR
    ]
    if not pairs:
        return []
    return [
        f"colors that are nearly equal are a class each: {first_few(pairs, 3)}; if they are one class, write "
        "them into one list of values"
    ]


def _about_palettes(survey: MaskSurvey) -> tuple[list[str], dict[Color, tuple[int, ...]]]:
    """Return what to say of reading by color, and the numbers that stand for colors in gray masks."""
    for look in survey.looks:
        _require_own_colors(look)
    if survey.disagreement:
        said = [f"palettes differ, so masks are read by color: {survey.disagreement}"]
        if bare := survey.without_palette:
            said.append(
                f"{survey.share(bare)} have no palette: nobody can see which color their numbers stand for, "
                "so each is a gray of its own; save these masks in color, or add their numbers to the "
                "classes' values"
            )
        return said, {}
    said = ["masks with a palette are read by color, as others hold colors or other gray levels"]
    gray = _gray(survey) - {0}
    if gray and gray <= survey.palette.keys():
        said.append(
            f"{survey.share(survey.without_palette)} hold numbers: these are taken for indices of the palette"
        )
        return said, {survey.palette[index]: (index,) for index in sorted(gray)}
    return said, {}


def _require_own_colors(look: MaskLook) -> None:
    owners: dict[Color, int] = {}
    for index in sorted(look.numbers if look.palette else ()):
        color = look.palette.get(index)
        if color is None or owners.setdefault(color, index) != index:
            other = "no color" if color is None else f"the same color as {owners[color]}, {list(color)}"
            raise DataError(
                f"the palettes of the masks do not agree, and color does not tell the classes of {look.name} "
                f"apart: its index {index} has {other}; save the masks as gray PNG whose values are the "
                "classes"
            )


def _colors_of(look: MaskLook, numbers: dict[Color, tuple[int, ...]]) -> list[Color]:
    """Return the colors that a mask holds, those of its palette if it has one."""
    if look.palette:
        return list(look.palette.values())
    by_number = {number: color for color, own in numbers.items() for number in own}
    values = sorted(look.pixels.keys() - {NODATA}, key=str)
    return [by_number.get(v, (v, v, v)) if isinstance(v, int) else v for v in values]
