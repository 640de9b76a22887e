"""The edge between this package and the decoders of others: what they raise, and how their pixels stand."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.config.regular import require_regular

Array = Shaped[np.ndarray, "..."]

# Pillow's guard against small files that unpack to gigabytes would stop at 179 million pixels, which scanners
# and microscopes exceed. Here the files are one's own: 32,768 x 32,768 pixels take 3 GiB once decoded.
PilImage.MAX_IMAGE_PIXELS = 2**30
# What decoders mutter about broken files beside the errors that name them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("tifffile").setLevel(logging.CRITICAL)
_UNQUESTIONED, _MAX_PACKED = 2**28, 4096
"""Bytes that no file need justify, and how many times its own size a compressed one holds at most."""
_BAND = 2**17  # pixels that are converted at once: few enough for a cache


@contextmanager
def decoding(path: Path, what: str = "image") -> Iterator[None]:
    """Turn whatever a decoder raises into an error that names the file.

    On broken bytes decoders raise nearly anything: KeyError, TypeError and MemoryError as well as OSError. So
    everything is caught here, and that is why nothing but calls of decoders belongs inside.

    Args:
        path: The file.
        what: What the error calls it, ``image`` or ``mask``.

    Raises:
        DataError: If the block raised anything, or the file is a pipe, a socket or a device.
    """
    try:
        require_regular(path)
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"cannot read the {what} {path}: {_reason(error)}") from error


@contextmanager
def opened(path: Path, what: str = "image") -> Iterator[PilImage.Image]:
    """Open a file with Pillow; as in `decoding`, nothing but calls of decoders belongs inside.

    Raises:
        DataError: If it cannot be opened, or the block raised anything.
    """
    with decoding(path, what), PilImage.open(path) as picture:
        require_plausible(path, what, picture.width * picture.height * len(picture.getbands()))
        yield picture


def is_known_to_pillow(path: Path) -> bool:
    """Return whether Pillow knows this kind of file; broken ones of a known kind count as well."""
    try:
        with decoding(path), PilImage.open(path):
            return True
    except DataError as error:
        return not isinstance(error.__cause__, UnidentifiedImageError)


def require_plausible(path: Path, what: str, claimed: int) -> None:
    """Refuse a broken header before its claim fills the memory.

    Args:
        path: The file.
        what: What the error calls it.
        claimed: How many bytes it says that it holds once decoded.

    Raises:
        DataError: If that is more than codecs pack into a file of its size.
    """
    size = path.stat().st_size
    if claimed > max(_UNQUESTIONED, _MAX_PACKED * size):
        raise DataError(
            f"cannot read the {what} {path}: it claims to hold {claimed / 2**20:,.0f} MiB, more than a file "
            f"of {size:,} bytes can"
        )


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    return str(error) or type(error).__name__


def first_bytes(path: Path, count: int) -> bytes:
    """Return the first bytes of a file; fewer if it is shorter, none if it cannot be opened."""
    try:
        require_regular(path)
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def load_upright(picture: PilImage.Image) -> PilImage.Image:
    """Return an opened picture, or its current page, as its EXIF orientation says."""
    # PIL 13 takes rows of a turned TIFF for columns if it maps the file into memory, which it does only
    # if it knows the name of the file.
    picture.filename = ""  # type: ignore[attr-defined]
    picture.load()
    ImageOps.exif_transpose(picture, in_place=True)  # else it would copy
    return picture


def is_turned(path: Path) -> bool:
    """Return whether an EXIF tag turns or mirrors a picture; False of files that Pillow cannot open."""
    try:
        with opened(path) as picture:
            return picture.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except DataError:
        return False


def rgb_array(picture: PilImage.Image) -> UInt8[np.ndarray, "h w 3"]:
    """Return a picture's pixels as RGB; it is not copied as a whole on the way."""
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    rows = max(1, _BAND // picture.width)
    for top in range(0, picture.height, rows):
        band = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        pixels[top : top + rows] = np.asarray(band if band.mode == "RGB" else band.convert("RGB"))
    return pixels


def upright(values: Shaped[np.ndarray, "h w ..."], orientation: int) -> Shaped[np.ndarray, "uh uw ..."]:
    """Turn an array as an EXIF orientation (1 to 8) says."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values[::-1] if orientation in (3, 4, 7, 8) else values
