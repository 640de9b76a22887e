"""Image files beyond 8-bit color: any number of channels, 16 bits and more, floats, stacks, NumPy arrays.

Channels: a file must hold as many as ``data.channels`` says. They may be the pages of a TIFF, its bands, or
the first or last axis of an array: whichever has that length. Two numbers convert, as they do in viewers: for
3 channels gray is repeated, for 1 channel color becomes its luma (ITU-R 601).

Values: 8-bit files are read as they are. All others are scaled by ``data.value_range``, whose ends become 0
and 255; values beyond them are clipped. What is not a number becomes 0, and so does what a TIFF declares to
be no data (GDAL's tag). Scale and offset tags are left alone: a range is in the numbers that the file holds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import ExifTags
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.sources.base import Image
from s4former.data.sources.decoding import (
    Array,
    decoding,
    first_bytes,
    is_known_to_pillow,
    load_upright,
    opened,
    upright,
)
from s4former.data.sources.tiff import (
    TiffPage,
    content_pages,
    declared_nodata,
    imagecodecs_for,
    is_tiff,
    read_with_tifffile,
    tiff_pages,
)

ValueRange = tuple[float, float]
Levels = UInt8[np.ndarray, "..."]
Values = Shaped[np.ndarray, "h w c"]  # as the file holds them: any type of number

_PNG = b"\x89PNG\r\n\x1a\n"
_ONE_CHANNEL = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")


class NoRangeError(DataError):
    """Values of other than 8 bits, and nothing says which become black and white.

    Attributes:
        found: What is in which image.
    """

    def __init__(self, name: str, values: Array) -> None:
        low, high = measured_range(values)
        self.found = f"{name}: has {values.dtype} values from {low:g} to {high:g}"
        super().__init__(
            f"{self.found}, and nothing says which become black and white; set "
            f"data.value_range=[{low:g},{high:g}], or the range of all images (value_range: [low, high] in a "
            "YAML file), or run `s4former init`, which measures it"
        )


def is_plain(path: Path, channels: int) -> bool:
    """Return whether a file is an 8-bit picture for 1 or 3 channels; also True of what is no image at all."""
    if channels not in (1, 3):
        return False
    head = first_bytes(path, 26)
    if path.suffix.lower() == ".npy" or _bit_depth(head) == 16:
        return False
    if not is_tiff(head):
        return True
    try:
        pages = tiff_pages(path)
        bits = {bit for page in pages for bit in page.bits}
        one = len(content_pages(pages)) == 1 or len(pages[0].bits) > 1
        return bits <= {1, 2, 4, 8} and not pages[0].signed_bytes and one and is_known_to_pillow(path)
    except DataError:
        return False


def read_array(path: Path, with_alpha: bool) -> tuple[Array, bool]:
    """Return the array of a file, and whether it is known to have its channels last.

    Args:
        path: The file.
        with_alpha: Whether alpha is a channel like others.

    Raises:
        DataError: If it cannot be read.
    """
    values, bands_last = _decode(path, with_alpha)
    if values.dtype.kind not in "buif" or not values.size:
        raise DataError(f"{path}: expected an array of numbers, got {values.dtype} of shape {values.shape}")
    return values, bands_last


def read_values(path: Path, channels: int) -> Values:
    """Return the values of an image file, upright, with ``channels`` channels; NaN where it declares no data.

    Raises:
        DataError: If it cannot be read, or has another number of channels.
    """
    values, bands_last = read_array(path, with_alpha=channels not in (1, 3))
    return channels_last(_without_nodata(values, path), channels, str(path), bands_last)


def _without_nodata(values: Array, path: Path) -> Array:
    """Turn what a file declares to be no data into NaN; 8 bits stay as they are, as they need no range."""
    nodata = None if values.dtype in (np.uint8, bool) else declared_nodata(path)
    if nodata is None or not (absent := values == nodata).any():
        return values
    exact = values.dtype if values.dtype.kind == "f" else np.float32 if values.itemsize <= 2 else np.float64
    return np.where(absent, np.nan, values.astype(exact))


def count_channels(path: Path) -> int:
    """Return how many channels a file seems to hold; of the first and the last axis, the shorter.

    Raises:
        DataError: If it cannot be read.
    """
    values, bands_last = read_array(path, with_alpha=False)
    if values.ndim == 2:
        return 1
    first, last = values.shape[0], values.shape[-1]
    return int(last if bands_last else min(first, last))


def channels_last(values: Array, channels: int, name: str, bands_last: bool = False) -> Values:
    """Return an image with its channels in the last axis.

    Args:
        values: An array with two axes (one channel), or three of which the first or the last are the
            channels; more only if they have length 1.
        channels: How many there should be.
        name: What the error calls the image.
        bands_last: Whether the last of three axes is known to be the channels.

    Raises:
        DataError: If there are others, or if both axes could be the channels.
    """
    shape = values.shape
    while values.ndim > 3 and 1 in values.shape:
        values = values.squeeze(values.shape.index(1))
    if values.ndim == 2:
        values, bands_last = values[..., None], True
    if values.ndim != 3:
        raise DataError(f"{name}: expected an image of two or three axes, got {_times(shape)}")
    first, last = 0 if bands_last else values.shape[0], values.shape[2]
    if first == last == channels:
        raise DataError(
            f"{name}: the {channels} channels could be the first or the last axis of {_times(shape)}; "
            "cut it to another height or width"
        )
    # What the channels may be, best first: as many as asked for, or gray and color for each other.
    other = {1: 3, 3: 1}.get(channels, channels)
    for count in (channels, other):
        if count in (first, last):
            found = values if last == count else np.moveaxis(values, 0, 2)
            if count == channels:
                return found
            return np.repeat(found, 3, axis=2) if channels == 3 else luma(found)
    held = last if bands_last else min(first, last)
    raise DataError(
        f"{name}: expected {channels} channels, got {_times(shape)}; if that are {held} channels, set "
        f"data.channels={held} and model.channels={held}"
    )


def luma(values: Shaped[np.ndarray, "h w 3"]) -> Shaped[np.ndarray, "h w 1"]:
    """Return the brightness of RGB as one channel of the same type, as PIL computes it for 8 bits."""
    if values.dtype == np.uint8:
        return np.array(PilImage.fromarray(values).convert("L"))[..., None]
    brightness = (values @ np.array([0.299, 0.587, 0.114]))[..., None]
    own_type: Array = (np.rint(brightness) if values.dtype.kind in "ui" else brightness).astype(values.dtype)
    return own_type


def scaled(values: Values, value_range: ValueRange | None, name: str) -> Image:
    """Return 8-bit pixels: ``low`` becomes 0 and ``high`` 255.

    Args:
        values: Values of any type; those of 8 bits are given back as they are.
        value_range: Low and high, in the values' own unit.
        name: What the error calls the image.

    Raises:
        NoRangeError: If a range is needed and there is none.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        values, value_range = values.astype(np.uint8), (0, 1)
    if value_range is None:
        raise NoRangeError(name, values)
    if values.dtype == np.uint16:  # a table: 16-bit files are many and large
        pixels: Image = _scale(np.arange(2**16), value_range)[values]
        return pixels
    return _scale(values, value_range)


def _scale(values: Array, value_range: ValueRange) -> Levels:
    low, high = value_range
    unit = (np.clip(values.astype(np.float64), low, high) - low) / (high - low)
    levels: Levels = np.rint(np.nan_to_num(unit) * 255).astype(np.uint8)
    return levels


def measured_range(values: Array, percentiles: tuple[float, float] = (0, 100)) -> ValueRange:
    """Return the values at two percentiles, apart from each other in any case; infinite ones don't count."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, percentiles).tolist() if finite.size else (0.0, 0.0)
    return low, high if high > low else low + 1


def is_deep_color_png(head: bytes) -> bool:
    """Return whether a file that starts like this is a PNG of 16 bits with more than a gray channel."""
    return _bit_depth(head) == 16 and head[25:26] != b"\0"


def _bit_depth(head: bytes) -> int:
    return head[24] if head.startswith(_PNG) and len(head) > 24 else 0


def _decode(path: Path, with_alpha: bool) -> tuple[Array, bool]:
    if path.suffix.lower() == ".npy":
        return read_npy(path), False
    head = first_bytes(path, 26)
    if is_deep_color_png(head):
        return read_deep_color_png(path, with_alpha), True
    if is_tiff(head):
        return _decode_tiff(path)
    with opened(path) as picture:
        return _page(picture), True


def _decode_tiff(path: Path) -> tuple[Array, bool]:
    pages = tiff_pages(path)
    own = content_pages(pages)
    if is_known_to_pillow(path):
        with opened(path) as picture:
            if all(pillow_reads(picture.mode, pages[number]) for number in own):
                found = [_seek(picture, number) for number in own[: None if len(pages[0].bits) == 1 else 1]]
                return (found[0] if len(found) == 1 else np.stack(found)), found[0].ndim == 3
    return read_with_tifffile(path)


def _seek(picture: PilImage.Image, number: int) -> Array:
    picture.seek(number)
    return _page(picture)


def read_npy(path: Path, what: str = "image") -> Array:
    """Return the array of a NumPy file; no code in it is run.

    Raises:
        DataError: If it cannot be read or holds several arrays.
    """
    with decoding(path, what):
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays")
        return array


def read_deep_color_png(path: Path, with_alpha: bool, what: str = "image") -> Values:
    """Return the channels of a PNG of 16-bit color, of which Pillow would keep 8 bits.

    Raises:
        DataError: If it cannot be read, or the package imagecodecs is not installed.
    """
    codecs = imagecodecs_for(path, "PNG files of 16-bit color")
    with decoding(path, what):
        with opened(path, what) as picture:
            orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        values = np.asarray(codecs.png_decode(path.read_bytes()))
        if not with_alpha and values.shape[2] in (2, 4):
            values = values[..., :-1]
        return upright(values, orientation)


def _page(picture: PilImage.Image) -> Array:
    page = load_upright(picture)
    if page.mode == "P":
        page = page.convert("RGB")
    return np.array(page.convert("L") if page.mode == "1" else page)


def pillow_reads(mode: str, page: TiffPage) -> bool:
    """Return whether Pillow gives all channels and bits of a page that it opens in this mode."""
    if mode in _ONE_CHANNEL:
        return len(page.bits) == 1 and not page.signed_bytes and not (mode == "I" and page.bits[0] > 16)
    return set(page.bits) == {8} and len(page.bits) == PilImage.getmodebands(mode)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
