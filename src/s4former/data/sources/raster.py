"""Image files beyond 8-bit color: any number of channels, 16 bits and more, floats, stacks, NumPy arrays.

Channels: a file must hold as many as ``data.channels`` says. They may be the pages of a TIFF, its bands, or
the first or last axis of an array: whichever has that length. Two numbers convert, as they do in viewers: for
3 channels gray is repeated, for 1 channel color becomes its luma (ITU-R 601).

Values: 8-bit files are read as they are. All others are scaled by ``data.value_range``, whose ends become 0
and 255; values beyond them are clipped, and what is not a number becomes 0.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.sources.base import Image

ValueRange = tuple[float, float]
Array = Shaped[np.ndarray, "..."]
Levels = UInt8[np.ndarray, "..."]
Values = Shaped[np.ndarray, "h w c"]  # as the file holds them: any type of number

UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    RuntimeError,
    struct.error,
    zlib.error,
    PilImage.DecompressionBombError,
)
"""What decoders raise on broken files."""

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
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
    head = _head(path)
    if path.suffix.lower() == ".npy" or _is_deep_png(head):
        return False
    if not head.startswith(_TIFF):
        return True
    try:
        with PilImage.open(path) as picture:
            pages = getattr(picture, "n_frames", 1)
            return set(_bits(picture)) <= {1, 2, 4, 8} and (pages == 1 or picture.mode not in _ONE_CHANNEL)
    except UNREADABLE:
        return False


def read_array(path: Path, with_alpha: bool) -> tuple[Array, bool]:
    """Return the array of a file, and whether it is known to have its channels last.

    Args:
        path: The file.
        with_alpha: Whether alpha is a channel like others.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        values, bands_last = _decode(path, with_alpha)
    except UNREADABLE as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error
        raise DataError(f"cannot read the image {path}: {reason}") from error
    if values.dtype.kind not in "buif" or not values.size:
        raise DataError(f"{path}: expected an array of numbers, got {values.dtype} of shape {values.shape}")
    return values, bands_last


def read_values(path: Path, channels: int) -> Values:
    """Return the values of an image file, upright, with ``channels`` channels.

    Raises:
        DataError: If it cannot be read, or has another number of channels.
    """
    values, bands_last = read_array(path, with_alpha=channels not in (1, 3))
    return channels_last(values, channels, str(path), bands_last)


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


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(26)
    except OSError:
        return b""


def _is_deep_png(head: bytes) -> bool:
    return head.startswith(_PNG) and head[24:25] == b"\x10"  # its 25th byte is the bit depth


def _decode(path: Path, with_alpha: bool) -> tuple[Array, bool]:
    if path.suffix.lower() == ".npy":
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays")
        return array, False
    head = _head(path)
    if _is_deep_png(head) and head[25:] != b"\0":  # the next byte is the color type, 0 is gray
        return _deep_color_png(path, with_alpha), True
    if not head.startswith(_TIFF):
        with PilImage.open(path) as picture:
            return _page(picture), True
    try:
        with PilImage.open(path) as picture:
            if not _in_full(picture):
                return _with_tifffile(path)
            if picture.mode not in _ONE_CHANNEL:
                return _page(picture), True
            pages, size = [], picture.size
            for number in range(getattr(picture, "n_frames", 1)):
                picture.seek(number)
                if picture.size == size:  # others are thumbnails
                    pages.append(_page(picture))
            return (pages[0] if len(pages) == 1 else np.stack(pages)), False
    except UnidentifiedImageError:
        return _with_tifffile(path)


def _deep_color_png(path: Path, with_alpha: bool) -> Values:
    # PIL would keep 8 of 16 bits of color. torchvision says that it will give its decoders away some day.
    data = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            from torchvision.io import ImageReadMode, decode_png
        except ImportError:
            raise DataError(
                f"{path}: this version of torchvision reads no PNG files of 16-bit color; save it as TIFF"
            ) from None
        values = decode_png(data, mode=ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()
    with PilImage.open(path) as picture:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    if not with_alpha and values.shape[2] in (2, 4):
        values = values[..., :-1]
    return upright(values, orientation)


def load_upright(picture: PilImage.Image) -> PilImage.Image:
    """Return an opened picture, or its current page, as its EXIF orientation says."""
    # PIL 13 takes rows of a turned TIFF for columns if it maps the file into memory, which it does only
    # if it knows the name of the file.
    picture.filename = ""  # type: ignore[attr-defined]
    picture.load()
    return ImageOps.exif_transpose(picture)


def _page(picture: PilImage.Image) -> Array:
    page = load_upright(picture)
    if page.mode == "P":
        page = page.convert("RGB")
    return np.array(page.convert("L") if page.mode == "1" else page)


def _bits(picture: PilImage.Image) -> tuple[int, ...]:
    bits = picture.tag_v2.get(258, (1,))  # type: ignore[attr-defined]  # BitsPerSample of the TIFF
    return tuple(bits) if isinstance(bits, tuple) else (bits,)


def _in_full(picture: PilImage.Image) -> bool:
    bits = _bits(picture)
    if picture.mode in _ONE_CHANNEL:
        return len(bits) == 1 and not (picture.mode == "I" and bits[0] > 16)  # it wraps unsigned 32 bits
    return set(bits) == {8} and len(bits) == len(picture.getbands())


def _with_tifffile(path: Path) -> tuple[Array, bool]:
    try:
        import tifffile
    except ModuleNotFoundError:
        raise DataError(
            f"{path}: TIFF files of this kind (many bands, or more than 8 bits of color) are read with the "
            "package tifffile; type pip install 's4former[formats]'"
        ) from None
    try:
        with tifffile.TiffFile(path) as file:
            series, tag = file.series[0], file.pages.first.tags.get(274)  # Orientation
            values, axes = np.asarray(series.asarray()), str(series.axes)
    except (tifffile.TiffFileError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from error
    orientation = 1 if tag is None else int(tag.value)
    if values.ndim == 3 and "S" in axes:
        return upright(np.moveaxis(values, axes.index("S"), 2), orientation), True
    if values.ndim == 3 and orientation != 1:
        return np.stack([upright(page, orientation) for page in values]), False
    return upright(values, orientation) if values.ndim == 2 else values, False


def upright(values: Shaped[np.ndarray, "h w ..."], orientation: int) -> Shaped[np.ndarray, "uh uw ..."]:
    """Turn an array as an EXIF orientation (1 to 8) says."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values[::-1] if orientation in (3, 4, 7, 8) else values


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
