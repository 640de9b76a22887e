"""Class names beside their colors, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

Entries = Sequence[tuple[str, tuple[int, int, int]]]
_ROW, _PAD, _INK, _PAPER = 20, 6, (30, 30, 30), (255, 255, 255)


def legend(entries: Entries, width: int) -> PilImage.Image:
    """Return the entries in as many columns as a width has room for; it grows for a long name."""
    font = _font()
    column = max([int(font.getlength(name)) for name, _ in entries], default=0) + _ROW + 2 * _PAD
    width = max(width, column)
    columns = min(width // column, max(1, len(entries)))
    rows = -(-len(entries) // columns)
    picture = PilImage.new("RGB", (width, rows * _ROW + 2 * _PAD), _PAPER)
    draw = ImageDraw.Draw(picture)
    for number, (name, color) in enumerate(entries):
        left, top = number // rows * column + _PAD, number % rows * _ROW + _PAD
        draw.rectangle((left, top + 3, left + 13, top + 16), fill=color, outline=_INK)
        draw.text((left + _ROW, top + 2), name, fill=_INK, font=font)
    return picture


def with_legend(picture: PilImage.Image, entries: Entries) -> PilImage.Image:
    """Return a picture with a legend below it."""
    below = legend(entries, picture.width)
    both = PilImage.new("RGB", (below.width, picture.height + below.height), _PAPER)
    both.paste(picture, (0, 0))
    both.paste(below, (0, picture.height))
    return both


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Return matplotlib's font, which knows more scripts than Pillow's."""
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), 13)
