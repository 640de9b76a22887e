"""Predicted classes as pictures, of images of any size, and class names beside their colors."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from s4former.config.errors import UserError
from s4former.data.display import rgb_view

_PNG_EFFORT = 3
"""Level of zlib for such pictures: its usual 6 takes five times as long for files a tenth smaller."""
_ROWS = 256
_PIXELS_A_LINE = 500
"""An outline has one pixel on either side for so many pixels of the shorter side."""
Entries = Sequence[tuple[str, tuple[int, int, int]]]
_ROW, _PAD, _INK, _PAPER = 20, 6, (30, 30, 30), (255, 255, 255)


def write_png(picture: PilImage.Image, path: Path) -> None:
    """Write such a picture."""
    picture.save(path, format="PNG", compress_level=_PNG_EFFORT)


def index_picture(mask: UInt8[np.ndarray, "h w"], colors: Sequence[tuple[int, int, int]]) -> PilImage.Image:
    """Return a palette picture whose pixel values are class indices."""
    picture = PilImage.fromarray(mask)
    picture.putpalette([channel for color in colors for channel in color])
    return picture


def gray_picture(confidence: Float[np.ndarray, "h w"]) -> PilImage.Image:
    """Return probabilities as a gray picture: 255 stands for 1."""
    gray = np.empty(confidence.shape, np.uint8)
    for row, sure in zip(gray, confidence, strict=True):
        row[:] = np.round(sure * 255)
    return PilImage.fromarray(gray)


def require_opacity(opacity: float) -> None:
    """Make sure that an opacity is a share.

    Raises:
        UserError: If not.
    """
    if not 0 <= opacity <= 1:
        raise UserError(f"the opacity is a share of the class colors, from 0 to 1; got {opacity:g}")


def overlay_picture(
    image: UInt8[np.ndarray, "h w c"],
    mask: UInt8[np.ndarray, "h w"],
    colors: Sequence[tuple[int, int, int]],
    opacity: float,
    display_channels: tuple[int, int, int],
) -> PilImage.Image:
    """Return an image with its classes painted over it and outlined.

    A white and a black line part the classes, seen on any color.

    Args:
        image: The image.
        mask: Class index of each pixel.
        colors: RGB color of each class.
        opacity: Share of the class colors, from 0 to 1; at 0 the image alone.
        display_channels: Channels of the image that are shown as red, green and blue.

    Raises:
        UserError: If the opacity is not from 0 to 1.
    """
    height, width = mask.shape
    overlay = PilImage.new("RGB", (width, height))
    for top, rows in overlay_rows(image, mask, colors, opacity, display_channels):
        overlay.paste(rows, (0, top))
    return overlay


def overlay_rows(
    image: UInt8[np.ndarray, "h w c"],
    mask: UInt8[np.ndarray, "h w"],
    colors: Sequence[tuple[int, int, int]],
    opacity: float,
    display_channels: tuple[int, int, int],
) -> Iterator[tuple[int, PilImage.Image]]:
    """Yield `overlay_picture` some rows at a time, with the number of the first of them.

    Raises:
        UserError: If the opacity is not from 0 to 1.
    """
    require_opacity(opacity)
    line = max(1, min(mask.shape) // _PIXELS_A_LINE)
    for top in range(0, len(mask), _ROWS):
        rows = slice(top, top + _ROWS)
        shown = PilImage.fromarray(rgb_view(image[rows], display_channels))
        painted = index_picture(mask[rows], colors).convert("RGB")
        band = PilImage.blend(shown, painted, opacity)
        if opacity:
            start = max(0, top - line)
            lines = outlines(mask[start : top + _ROWS + line], line)[top - start :][:_ROWS]
            band.paste((0, 0, 0), (0, 0), PilImage.fromarray(np.where(lines == 1, 255, 0).astype(np.uint8)))
            band.paste((255,) * 3, (0, 0), PilImage.fromarray(np.where(lines == 2, 255, 0).astype(np.uint8)))
        yield top, band


def write_png_rows(rows: Iterable[PilImage.Image], size: tuple[int, int], path: Path) -> None:
    """Write an RGB picture from some rows at a time; Pillow would hold four bytes for each of its pixels.

    Source: PNG specification, with each line as the differences to the pixel on its left ("Sub").

    Args:
        rows: The rows, from top to bottom.
        size: Width and height of the picture.
        path: Where to.
    """
    deflate = zlib.compressobj(_PNG_EFFORT)
    with path.open("wb") as file:

        def write(kind: bytes, content: bytes) -> None:
            checksum = zlib.crc32(kind + content)
            file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum))

        file.write(b"\x89PNG\r\n\x1a\n")
        write(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))  # 8 bits, RGB
        for band in rows:
            pixels = np.asarray(band)
            lines = np.ones((len(pixels), 1 + 3 * size[0]), np.uint8)  # a line begins with its filter: 1
            lines[:, 1:4] = pixels[:, 0]
            lines[:, 4:] = (pixels[:, 1:] - pixels[:, :-1]).reshape(len(pixels), -1)
            write(b"IDAT", deflate.compress(lines.data))
        write(b"IDAT", deflate.flush())
        write(b"IEND", b"")


def outlines(mask: UInt8[np.ndarray, "h w"], line: int = 1) -> UInt8[np.ndarray, "h w"]:
    """Return 2 on one side of where two classes meet, 1 on the other, else 0; ``line`` pixels each."""
    marked = np.zeros(mask.shape, np.uint8)
    across = mask[:, line:] != mask[:, :-line]
    down = mask[line:] != mask[:-line]
    marked[:, line:][across] = 1
    marked[line:][down] = 1
    marked[:, :-line][across] = 2
    marked[:-line][down] = 2
    return marked


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
