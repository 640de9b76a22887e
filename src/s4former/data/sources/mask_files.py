"""Opens mask files: the numbers or colors that were saved, whatever the container.

Nothing is dropped on the way. Numbers are those that the file stores: a gray level of 2 or 4 bits is not
spread over 0 to 255, and a TIFF whose 0 is white is not inverted. Pages, bands or channels of which each
pixel is in one at most (a page a class) become one number a pixel; others of several pages are refused.
Alpha is dropped where it follows from the color; where the color says nothing, alpha is the mask.

How a mask stands is said in `decode`: a tag of its own, if it has one, is applied, else it belongs to the
upright image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Integer, Shaped

from s4former.config.errors import DataError
from s4former.data.classes import Color
from s4former.data.sources.codecs import lossy_codec
from s4former.data.sources.decoding import Array
from s4former.data.sources.mask_layers import Layers, read_layers

MaskPixels = Integer[np.ndarray, "h w *rgb"]

NODATA = -(2**31)
"""Stands for pixels that a file declares to hold no data, or that are not a number."""


@dataclass(frozen=True)
class Reading:
    """What the classes of a data set say of how masks are to be read.

    Attributes:
        colors: Whether a file of indices stands for colors: those of its palette, or black and white.
        named: The numbers that classes give a meaning to; they win over a file's own word that one is no
            data.
        largest: The largest number of a class. Of masks with a page a class it tells whether pages count
            from 0 or, with 0 for pixels in no page, from 1.
    """

    colors: bool = False
    named: tuple[int, ...] = ()
    largest: int | None = None


@dataclass(frozen=True)
class MaskFile:
    """What a mask file holds.

    Attributes:
        pixels: Numbers "h w", or RGB colors "h w 3".
        kind: How the file stores them, as in ``palette`` or ``8-bit``.
        palette: Color of each index that occurs in a file with a palette.
        pages: How many pages or channels hold a class each; 0: it is no such file.
        nodata: The number that the file declares to be no data, if its pixels hold it.
        unknown: How many pixels are `NODATA`.
    """

    pixels: MaskPixels
    kind: str
    palette: Mapping[int, Color] = field(default_factory=dict)
    pages: int = 0
    nodata: int | None = None
    unknown: int = 0


def open_mask(path: Path, reading: Reading | None = None) -> MaskFile:
    """Read a mask file.

    Args:
        path: The file.
        reading: What the classes say of it; none: nobody has described the masks yet.

    Raises:
        DataError: If it cannot be read, or does not say which one value each pixel has.
    """
    reading = reading or Reading()
    codec = lossy_codec(path)
    if codec:
        raise DataError(
            f"{path}: a lossy {codec} file changes values near edges, so it cannot hold classes; save masks "
            "as PNG from the program that drew them. If that is gone and there are two classes only, "
            "convert the file to a black and white PNG (a threshold at half brightness) and look at its "
            "edges"
        )
    layers = read_layers(path)
    stack = layers.stack
    # Red, green and blue at full strength are colors; at 1 of 255 nobody would see them.
    one_each = (
        None
        if reading.colors and layers.in_color
        else _one_each(stack, (1,) if layers.in_color else (1, 255))
    )
    if one_each is not None:
        return _of_pages(one_each, "channels" if layers.in_color else layers.kind, path, reading)
    if layers.in_color:
        return MaskFile(_colors(stack, path), layers.kind)
    if len(stack) > 1:
        raise DataError(_about_layers(stack, layers.kind, path))
    return _of_numbers(stack[0], layers, path, reading)


def decode_mask(path: Path, reading: Reading | None = None) -> MaskPixels:
    """Return the pixels of `open_mask`."""
    return open_mask(path, reading).pixels


def _one_each(
    stack: Shaped[np.ndarray, "layers h w"], levels: tuple[int, ...]
) -> Bool[np.ndarray, "layers h w"] | None:
    """Return where each of several layers holds something, if they are binary and no pixel is in two."""
    if len(stack) < 2 or not np.isin(np.unique(stack[:, ::7, ::7]), (0, *levels)).all():
        return None  # what most files of several layers are, seen quickly
    present: Bool[np.ndarray, "layers h w"] = stack != 0
    values = np.unique(stack[present])
    if len(values) != 1 or values[0] not in levels or present.sum(axis=0).max() > 1:
        return None
    return present


def _of_pages(present: Bool[np.ndarray, "layers h w"], kind: str, path: Path, reading: Reading) -> MaskFile:
    count, in_none = len(present), ~present.any(axis=0)
    numbers = present.argmax(axis=0) + 1
    numbers[in_none] = 0
    if reading.largest == count - 1:  # as many classes as pages: they count from 0
        numbers -= 1
        numbers[in_none] = count
        if in_none.any() and count not in reading.named:
            raise DataError(
                f"{path}: {in_none.sum()} pixels are in none of its {count} {kind}, and there are as many "
                f"classes; if they are unknown, write ignore: [255, {count}], else name a class for them, "
                "{name: background, values: [0]}, and give the others values: [1], [2], ..."
            )
    pixels = numbers.astype(np.uint8 if count < 256 else np.int32)
    return MaskFile(pixels, f"{count} {kind}", pages=count)


def _colors(stack: Shaped[np.ndarray, "3 h w"], path: Path) -> MaskPixels:
    colors = np.moveaxis(stack, 0, 2)
    if colors.dtype == np.uint8:
        return colors
    if colors.dtype == np.uint16 and not (colors % 257).any():
        return (colors // 257).astype(np.uint8)
    raise DataError(
        f"{path}: its colors are {colors.dtype} and not those of 8 bits; save the mask as 8-bit RGB, or as a "
        "gray PNG whose values are the classes"
    )


def _of_numbers(values: Shaped[np.ndarray, "h w"], layers: Layers, path: Path, reading: Reading) -> MaskFile:
    if layers.palette is not None and reading.colors:
        return MaskFile(_palette_colors(values, layers.palette, path), layers.kind)
    colors = {} if layers.palette is None else _used_colors(values, layers.palette)
    if values.dtype == bool:
        return MaskFile(values.astype(np.uint8) * (255 if reading.colors else 1), layers.kind)
    unknown = ~layers.valid if layers.valid is not None else np.zeros(values.shape, bool)
    if values.dtype.kind == "f":
        unknown = unknown | np.isnan(values)
    nodata = None
    if layers.nodata is not None and (declared := values == layers.nodata).any():
        nodata = int(layers.nodata) if float(layers.nodata).is_integer() else None
        if nodata not in reading.named:
            unknown = unknown | declared
    pixels = _whole(values, unknown, path)
    if unknown.any():
        pixels = np.where(unknown, NODATA, pixels.astype(np.int64 if pixels.itemsize > 2 else np.int32))
    return MaskFile(pixels, layers.kind, colors, nodata=nodata, unknown=int(unknown.sum()))


def _palette_colors(indices: Integer[np.ndarray, "h w"], palette: Array, path: Path) -> MaskPixels:
    highest = int(indices.max(initial=0))
    if highest >= len(palette):
        raise DataError(
            f"{path}: its palette has {len(palette)} colors and none for the index {highest}; save it with a "
            "whole palette, or as RGB"
        )
    colors: MaskPixels = palette[indices]
    return colors


def _used_colors(indices: Integer[np.ndarray, "h w"], palette: Array) -> dict[int, Color]:
    used = np.flatnonzero(np.bincount(indices.ravel())).tolist()
    rows = palette.tolist()
    return {index: (rows[index][0], rows[index][1], rows[index][2]) for index in used if index < len(rows)}


def _whole(values: Shaped[np.ndarray, "h w"], unknown: Bool[np.ndarray, "h w"], path: Path) -> MaskPixels:
    """Return whole numbers; what is unknown may be anything."""
    if values.dtype.kind in "ui":
        if values.dtype.itemsize == 8:
            _require_range(values, path)
            return values.astype(np.int64)
        return values
    known = np.where(unknown, 0, values)
    if np.isinf(known).any():
        raise DataError(f"{path}: a mask holds whole numbers, this one has inf; save each pixel's class")
    _require_range(known, path)
    whole = known.astype(np.int64)
    if not (whole == known).all():
        fraction = known[whole != known][0]
        raise DataError(
            f"{path}: a mask holds whole numbers, this one has {fraction:g}; save each pixel's class, not "
            "its probability"
        )
    return whole if np.abs(whole).max(initial=0) >= 2**31 else whole.astype(np.int32)


def _require_range(values: Shaped[np.ndarray, "h w"], path: Path) -> None:
    beyond = values[np.abs(values.astype(np.float64)) >= 2**53]
    if beyond.size:
        raise DataError(
            f"{path}: {beyond[0]:g} is too large for the number of a class; save each pixel's class"
        )


def _about_layers(stack: Shaped[np.ndarray, "layers h w"], kind: str, path: Path) -> str:
    what = f"{path}: holds {len(stack)} {kind}, and a mask has one value a pixel"
    values = np.unique(stack)
    if stack.dtype.kind == "f" and ((values > 0) & (values < 1)).any():
        return f"{what}; these are probabilities: save for each pixel the number of its likeliest class"
    if len(values) <= 2:
        overlap = int(((stack != 0).sum(axis=0) > 1).sum())
        return (
            f"{what}; they seem to be a class each, but {overlap} pixels are in more than one: decide which "
            "class wins, and save one page whose values are the classes"
        )
    return (
        f"{what}; save the one that holds the classes by itself, as an 8-bit gray or palette PNG (a page a "
        "class works where each page holds 0 and 1, or 0 and 255, and no pixel is in two)"
    )
