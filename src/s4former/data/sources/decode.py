"""Opens image and mask files.

Rotation: an EXIF orientation tag of an image is applied, so that the picture stands as viewers show it. Masks
are drawn on what people see, so a mask belongs to the rotated picture; a mask's own tag, if it has one, is
applied to the mask. Both must then have the same size.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Integer
from PIL import Image as PilImage
from PIL import ImageOps

from s4former.config.errors import DataError
from s4former.data.sources.base import Image

_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    PilImage.DecompressionBombError,
)  # what decoders raise on broken files


def decode_image(path: Path) -> Image:
    """Return the pixels of an image file as 8-bit RGB; gray, palette, CMYK and alpha are converted.

    Raises:
        DataError: If the file cannot be read or has more than 8 bits a channel.
    """
    picture = _load(path, "image")
    if picture.mode.startswith(("I", "F")):
        raise DataError(
            f"{path}: images of mode {picture.mode} (16 or 32 bits) are not read; save it with 8 bits"
        )
    return np.array(picture.convert("RGB"))


def decode_mask(path: Path) -> Integer[np.ndarray, "h w"]:
    """Return the values of a mask file as they are; those of a palette file are the palette's indices.

    Raises:
        DataError: If the file cannot be read or has more than one channel.
    """
    picture = _load(path, "mask")
    values = np.array(picture)  # never convert("L"): it would replace palette indices by gray levels
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise DataError(
            f"{path}: expected a mask with one channel of class indices, got mode {picture.mode}; "
            "save it as an 8-bit gray or palette PNG whose values are the class indices"
        )
    return values.astype(np.uint8) if values.dtype == bool else values


def _load(path: Path, what: str) -> PilImage.Image:
    try:
        with PilImage.open(path) as picture:
            picture.load()
            return ImageOps.exif_transpose(picture)
    except _UNREADABLE as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error
        raise DataError(f"cannot read the {what} {path}: {reason}") from error
