"""Pictures of a run on its way: some evaluated images beside their truth and the prediction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Integer
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from s4former import collectives
from s4former.config.errors import DataError
from s4former.config.record import write_atomically
from s4former.data.classes import Classes
from s4former.data.display import UNKNOWN, Color, colorize, rgb_view
from s4former.data.sources import Source, Split, split_ids
from s4former.data.statistics import spread
from s4former.inference.logits import Pixels
from s4former.types import IGNORE

_GAP, _TEXT, _LINE = 4, 13, 20
_OVERSAMPLING = 8
_INK = (48, 48, 48)
_CANDIDATES = 8
_VISIBLE = 0.005
"""Share of an image from which on a class is seen in it."""


def shown_ids(source: Source, split: Split, rows: int = 8) -> list[str]:
    """Return images that are spread over a split and over its classes, the same ones at every evaluation.

    The split is cut into as many parts; of some masks of each part the one that shows most of what was not
    shown yet is taken.
    """
    ids, shown, chosen = split_ids(source, split), Counter[int](), list[str]()
    rows = min(rows, len(ids))
    for row in range(rows):
        part = ids[row * len(ids) // rows : (row + 1) * len(ids) // rows]
        classes = {id: _classes_in(source, split, id) for id in spread(part, _CANDIDATES)}
        best = max(classes, key=lambda id: sum(0.5 ** shown[label] for label in classes[id]))
        chosen.append(best)
        shown.update(classes[best])
    return chosen


def _classes_in(source: Source, split: Split, id: str) -> set[int]:
    try:
        labels, counts = np.unique(source.read_mask(id, split), return_counts=True)
    except DataError:  # the evaluation says so
        return set()
    return {*labels[counts >= _VISIBLE * counts.sum()].tolist()} - {IGNORE}


class Panel:
    """Collects images of an evaluation: a row each of image, truth and prediction, below titles.

    Args:
        classes: Their colors and, for the legend, their names.
        columns: Titles.
        display_channels: Channels of the images that are shown as red, green and blue.
        width: Largest width of a picture in pixels.
    """

    def __init__(
        self,
        classes: Classes,
        columns: Sequence[str],
        display_channels: tuple[int, int, int] = (0, 1, 2),
        width: int = 240,
    ) -> None:
        self._classes, self._columns = classes, columns
        self._display_channels, self._width = display_channels, width
        self._rows: dict[str, list[PilImage.Image]] = {}
        self._labels: set[int] = set()

    def add(self, id: str, image: Pixels, *label_maps: Integer[np.ndarray, "h w"]) -> None:
        """Take an image and label maps of its size."""
        step = max(1, image.shape[1] // (_OVERSAMPLING * self._width))  # huge images fit in no picture
        pictures = [PilImage.fromarray(rgb_view(image[::step, ::step], self._display_channels))]
        for labels in (each[::step, ::step] for each in label_maps):
            pictures.append(PilImage.fromarray(colorize(labels, self._classes.colors)))
            self._labels.update(np.unique(labels).tolist())
        factor = min(1.0, self._width / image.shape[1])
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        how = PilImage.Resampling
        self._rows[id] = [
            picture.resize(size, how.NEAREST if column else how.BILINEAR)
            for column, picture in enumerate(pictures)
        ]

    def save(self, path: Path, ids: Collection[str]) -> None:
        """Write the rows of all processes, in the order of ``ids``, as one PNG; nothing if there is none."""
        gathered = collectives.gathered((self._rows, self._labels))
        rows = {id: row for own, _ in gathered for id, row in own.items()}
        labels = set[int]().union(*(own for _, own in gathered))
        if rows and collectives.rank() == 0:
            sheet = _sheet([rows[id] for id in ids if id in rows], self._columns, self._legend(labels))
            write_atomically(path, lambda temporary: sheet.save(temporary, format="PNG"))

    def _legend(self, labels: set[int]) -> dict[str, Color]:
        """Return names and colors of what is seen."""
        classes = self._classes
        known = {classes.names[label]: classes.colors[label] for label in sorted(labels - {IGNORE})}
        return known | ({"unknown": UNKNOWN} if IGNORE in labels else {})


def _sheet(
    rows: Sequence[Sequence[PilImage.Image]], columns: Sequence[str], legend: Mapping[str, Color]
) -> PilImage.Image:
    """Return pictures below the titles of their columns, and the legend at the bottom."""
    font = ImageFont.load_default(_TEXT)
    titles = [round(font.getlength(title)) for title in columns]
    widths = [max(row[column].width for row in rows) for column in range(len(columns))]
    lefts = [sum(widths[:column]) + column * _GAP for column in range(len(columns))]
    width = max(lefts[-1] + max(widths[-1], titles[-1]), 2 * _LINE)
    places, (left, line) = list[tuple[int, int]](), (0, 0)
    for name in legend:
        own = round(font.getlength(name)) + 2 * _LINE
        left, line = (0, line + 1) if left and left + own > width else (left, line)
        places.append((left, line))
        left += own
    top = _LINE + sum(row[0].height + _GAP for row in rows)
    sheet = PilImage.new("RGB", (width, top + (line + 1) * _LINE), "white")
    draw = ImageDraw.Draw(sheet)
    for left, title in zip(lefts, columns, strict=True):
        draw.text((left, 2), title, _INK, font)
    for (name, color), (left, line) in zip(legend.items(), places, strict=True):
        box = left, top + line * _LINE + 3, left + _TEXT, top + line * _LINE + 3 + _TEXT
        draw.rectangle(box, color, (128, 128, 128))
        draw.text((left + _LINE, top + line * _LINE + 2), name, _INK, font)
    top = _LINE
    for row in rows:
        for left, picture in zip(lefts, row, strict=True):
            sheet.paste(picture, (left, top))
        top += row[0].height + _GAP
    return sheet
