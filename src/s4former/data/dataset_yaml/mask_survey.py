"""What masks hold that nobody has described, and the classes that this suggests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from s4former.config.errors import DataError
from s4former.data.dataset_yaml.schema import ClassEntry
from s4former.data.labels import count_values
from s4former.data.progress import Report, silent
from s4former.data.sources.base import Color, MaskValue, shown
from s4former.data.sources.decode import load_picture
from s4former.data.sources.known import KNOWN
from s4former.data.sources.mask_files import decode_mask
from s4former.data.splits.lists import first_few
from s4former.data.statistics import spread
from s4former.types import IGNORE

_SAMPLE = 500
_MOST = 255
_BLUR_VALUES, _BLUR_SHARE = 8, 0.8
_FREQUENT, _RARE, _FREQUENT_SHARE, _RARE_SHARE = 16, 32, 0.6, 1e-4


@dataclass
class MaskSurvey:
    """What some masks hold.

    Attributes:
        files: How many masks were looked at.
        of: How many there are.
        kinds: How many files there are of each kind, as in ``8-bit``, ``palette``, ``color``.
        pixels: How many pixels hold each value or color.
        palette: Color of each value in the palettes, as far as they agree.
        mixed: How many masks hold many mixtures of their colors.
    """

    files: int = 0
    of: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    pixels: Counter[MaskValue] = field(default_factory=Counter)
    palette: dict[int, Color] = field(default_factory=dict)
    mixed: int = 0

    @property
    def in_color(self) -> bool:
        """Whether the masks are told apart by color rather than by numbers."""
        return any(isinstance(value, tuple) for value in self.pixels)


@dataclass(frozen=True)
class Suggestion:
    """Classes for masks that nobody has described.

    Attributes:
        names: The classes.
        ignore: Values that seem to mean unknown.
        said: What was decided and how to change it, one sentence each.
    """

    names: tuple[ClassEntry, ...]
    ignore: tuple[MaskValue, ...]
    said: tuple[str, ...]


def survey_masks(files: Sequence[Path], report: Report = silent) -> MaskSurvey:
    """Look at masks, at most 500 of them, evenly spread.

    Raises:
        DataError: If masks cannot be read or their format cannot hold classes: all of them by name.
    """
    survey = MaskSurvey(of=len(files))
    chosen = spread(files, _SAMPLE)
    bad: dict[Path, DataError] = {}
    for number, file in enumerate(chosen, 1):
        try:
            _add(survey, file)
        except DataError as error:
            bad[file] = error
        if len(survey.pixels) > _MOST + 1 and not survey.mixed and not _blurred(survey):
            break
        report("looking at masks", number, len(chosen))
    if bad:
        named, first = first_few([file.name for file in bad]), next(iter(bad.values()))
        raise DataError(f"{len(bad)} of {len(chosen)} masks cannot be used ({named}); the first: {first}")
    return survey


def suggest_classes(survey: MaskSurvey) -> Suggestion:
    """Return the classes that masks seem to hold.

    Raises:
        DataError: If they hold so many values that these are no classes.
    """
    if _blurred(survey):
        ends = sorted(value for value, _ in survey.pixels.most_common(2) if isinstance(value, int))
        raise DataError(
            f"the masks hold {len(survey.pixels)} values, nearly all pixels {ends[0]} or {ends[1]} and the "
            "rest between them: they have soft edges (smoothing, resizing or JPEG on their way). Export them "
            "without, as PNG, so that each pixel holds one class"
        )
    if survey.mixed:
        raise DataError(
            f"{survey.mixed} of {survey.files} masks hold a few colors and many mixtures of them: they have "
            "soft edges (smoothing, resizing or JPEG on their way). Export them without, as PNG, so that "
            "each pixel holds the color of one class"
        )
    if len(survey.pixels) > _MOST:
        raise DataError(
            f"the masks hold more than {_MOST} different {'colors' if survey.in_color else 'values'}: these "
            "are no classes. If each object has a number or color of its own (instances), write its class "
            "instead; if they are photographs, --masks names the wrong folder"
        )
    return _colors(survey) if survey.in_color else _numbers(survey)


def _add(survey: MaskSurvey, file: Path) -> None:
    pixels = decode_mask(file)
    picture = None if file.suffix.lower() == ".npy" else load_picture(file, "mask")
    mode = picture.mode if picture else ""
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels, kind = pixels[..., 0], "gray saved as color"
    elif pixels.ndim == 3:
        kind = "color"
    else:
        kind = {"P": "palette", "PA": "palette", "1": "1-bit"}.get(mode, f"{8 * pixels.dtype.itemsize}-bit")
    survey.files += 1
    survey.kinds[kind] += 1
    values, counts = count_values(pixels, pixels.ndim == 3)
    survey.mixed += pixels.ndim == 3 and _mixed(counts)
    for value, count in zip(values, counts, strict=True):
        survey.pixels[value] += count
    palette = (picture.getpalette("RGB") or []) if picture and mode == "P" else []
    for value in values:
        if isinstance(value, int) and 3 * value + 2 < len(palette):
            red, green, blue = palette[3 * value : 3 * value + 3]
            survey.palette.setdefault(value, (red, green, blue))


def _blurred(survey: MaskSurvey) -> bool:
    """Whether there are many values, but nearly all pixels hold the lowest or the highest of them."""
    values = [value for value in survey.pixels if isinstance(value, int)]
    if len(values) <= _BLUR_VALUES or survey.in_color:
        return False
    ends = survey.pixels[min(values)] + survey.pixels[max(values)]
    return ends > _BLUR_SHARE * survey.pixels.total() and max(values) - min(values) > len(values) / 2


def _mixed(counts: Sequence[int]) -> bool:
    """Whether a mask has few colors and many mixtures of them; ``counts`` are its pixels of each color."""
    pixels, rare = sum(counts), counts[_FREQUENT:]
    return (
        len(rare) > _RARE
        and sum(counts[:_FREQUENT]) > _FREQUENT_SHARE * pixels
        and median(rare) <= max(4, _RARE_SHARE * pixels)
    )


def _numbers(survey: MaskSurvey) -> Suggestion:
    values = sorted(value for value in survey.pixels if isinstance(value, int))
    is_class = values in ([0, IGNORE], [IGNORE])
    ignore = (IGNORE,) if IGNORE in values and not is_class else ()
    classes = [value for value in values if value not in ignore]
    said = []
    if ignore:
        said.append(
            f"value {IGNORE} is taken for unknown; if it is a class, add it to names and write ignore: []"
        )
    voc = KNOWN["voc"]
    if len(classes) > 2 and all(
        value < len(voc) and survey.palette.get(value) == voc.colors[value] for value in classes
    ):
        said.append("the palette is Pascal VOC's, so the classes are its 21")
        entries = tuple(ClassEntry(name=name, values=(index,)) for index, name in enumerate(voc.names))
        return Suggestion(entries, ignore, tuple(said))
    if len(classes) <= 2 and (0 in classes or len(classes) == 1):
        entries, about = _binary(survey, next((value for value in classes if value), 1))
        return Suggestion(entries, ignore, (*said, *about))
    if classes[0] == 0 and classes[-1] < min(IGNORE, 2 * len(classes)):
        classes = list(range(classes[-1] + 1))  # the few gaps may be in masks that were not looked at
    entries = tuple(  # each with its value, so that lines can be moved or taken out without a shift
        ClassEntry(name=f"class_{value}", values=(value,), color=survey.palette.get(value))
        for value in classes
    )
    said.append(f"{len(entries)} classes: give them their names in dataset.yaml")
    return Suggestion(entries, ignore, tuple(said))


def _binary(survey: MaskSurvey, foreground: int) -> tuple[tuple[ClassEntry, ...], list[str]]:
    entries = (
        ClassEntry(name="background", values=(0,), color=survey.palette.get(0)),
        ClassEntry(
            name="foreground", values=(foreground,), color=survey.palette.get(foreground, (255, 0, 0))
        ),
    )
    said = [
        f"masks hold only 0 and {foreground}: 0 is taken for background and {foreground} for "
        "the class foreground; to change this, edit names in dataset.yaml"
    ]
    if foreground == IGNORE:
        said.append(
            f"if {IGNORE} means unknown instead, write ignore: [{IGNORE}] and another value for foreground"
        )
    return entries, said


def _colors(survey: MaskSurvey) -> Suggestion:
    black = (0, 0, 0)
    found = {_as_color(value) for value in survey.pixels}
    border = KNOWN["voc"], (224, 224, 192)
    ignore = (border[1],) if border[1] in found and set(border[0].colors) & found - {black} else ()
    colors = sorted(found - set(ignore))
    entries = tuple(
        ClassEntry(name="background" if color == black else f"class_{index}", values=(color,))
        for index, color in enumerate(colors)
    )
    said = [f"{len(entries)} colors, a class each: give them their names in dataset.yaml"]
    if black in colors:
        said.append("black is taken for background; to leave it out of training, move [0, 0, 0] to ignore")
    if ignore:
        said.append(f"{shown(border[1])}, the border of Pascal VOC's objects, is taken for unknown")
    return Suggestion(entries, ignore, tuple(said))


def _as_color(value: MaskValue) -> Color:
    return (value, value, value) if isinstance(value, int) else value
