"""Image files beyond 8-bit color: any number of channels, 16 bits and more, floats, stacks, NumPy arrays.

Channels may be the pages of a TIFF, its bands, or the first or last axis of an array. What a TIFF declares to
be no data (GDAL's tag) is not a number. Scale and offset tags are left alone: a range is in the numbers that
the file holds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ExifTags
from PIL import Image as PilImage

from s4former.config.errors import DataError
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
from s4former.data.sources.values import Values, channels_last

_PNG = b"\x89PNG\r\n\x1a\n"
_ONE_CHANNEL = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")


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
