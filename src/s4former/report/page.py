"""One HTML file of what a check found: no scripts, no other files, fit for phones and dark screens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from s4former.curation.check import Check, SplitSummary
from s4former.data.sources.base import Split
from s4former.data.statistics import spread
from s4former.report.rendering import render
from s4former.report.sheets import Picture

_POINTS = 400
_RADIUS = {"labeled": 2.5, "unlabeled": 4.5, "val": 6.5, "test": 8.5}
"""Of the rings that stand for images of a size: where several splits have it, each is seen."""


@dataclass(frozen=True)
class ClassRow:
    """One class in the table of classes.

    Attributes:
        name: Its name.
        color: As CSS has it.
        values: What masks hold for it.
        splits: Share of the labeled pixels from 0 to 1 and number of images, for each split with masks.
    """

    name: str
    color: str
    values: str
    splits: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class SizeRow:
    """The sizes of one split's images.

    Attributes:
        split: Its name.
        images: How many images it has.
        smallest: Height and width of the image with the fewest pixels.
        usual: Median height and width.
        largest: Height and width of the image with the most pixels.
        modes: How the files store pixels, and how many do.
    """

    split: str
    images: int
    smallest: str
    usual: str
    largest: str
    modes: str


def check_page(
    check: Check,
    sheets: Mapping[Split, Sequence[Picture]],
    settings: Sequence[str],
    name: str,
    command: str,
    crop: tuple[int, int] | None = None,
) -> str:
    """Return the page as HTML.

    Args:
        check: What was found.
        sheets: Pictures of a few images of each split.
        settings: What to train with and why, as ``field=value: reason``.
        name: What the data set is called.
        command: The command line that trains on it.
        crop: Height and width of the training crop, drawn among the sizes.
    """
    masked = [split for split in check.splits if split != "unlabeled"]
    content: dict[str, Any] = {
        "name": name,
        "check": check,
        "command": command,
        "settings": [setting.partition(": ")[::2] for setting in settings],
        "classes": list(class_rows(check, masked)),
        "masked": masked,
        "sizes": [_size_row(split, summary) for split, summary in check.splits.items() if summary.sizes],
        "chart": _chart(check, crop),
        "sheets": {split: pictures for split, pictures in sheets.items() if pictures},
    }
    return render("check.html.jinja", content)


def class_rows(check: Check, splits: Sequence[Split]) -> Iterator[ClassRow]:
    """Return the table of classes."""
    totals = {split: max(1, sum(check.splits[split].class_pixels)) for split in splits}
    values = check.classes.values or tuple((index,) for index in range(len(check.classes)))
    for index, (name, color) in enumerate(zip(check.classes.names, check.classes.colors, strict=True)):
        yield ClassRow(
            name,
            "rgb({}, {}, {})".format(*color),
            ", ".join(str(list(value) if isinstance(value, tuple) else value) for value in values[index]),
            tuple(
                (
                    check.splits[split].class_pixels[index] / totals[split],
                    check.splits[split].class_images[index],
                )
                for split in splits
            ),
        )


def _size_row(split: str, summary: SplitSummary) -> SizeRow:
    ordered = sorted(summary.sizes, key=lambda size: size[0] * size[1])
    heights, widths = zip(*summary.sizes, strict=True)
    return SizeRow(
        split,
        summary.images,
        _times(*ordered[0]),
        _times(median(heights), median(widths)),
        _times(*ordered[-1]),
        ", ".join(f"{mode} ({count:,})" for mode, count in summary.modes.items()),
    )


def _chart(check: Check, crop: tuple[int, int] | None) -> dict[str, Any] | None:
    """Return points and scale of the chart of sizes; none if all images have one size."""
    sizes = {split: sorted(set(summary.sizes)) for split, summary in check.splits.items()}
    if len({size for own in sizes.values() for size in own}) < 2:
        return None
    largest = max(max(size) for own in sizes.values() for size in own)
    points = [
        (split, width / largest, height / largest, f"{_times(height, width)}, {split}")
        for split, own in sizes.items()
        for height, width in spread(own, _POINTS)
    ]
    fits = crop is not None and max(crop) <= largest
    return {
        "largest": largest,
        "points": points,
        "radius": _RADIUS,
        "crop": (crop[1] / largest, crop[0] / largest) if crop and fits else None,
    }


def _times(height: float, width: float) -> str:
    return f"{height:g} x {width:g}"
