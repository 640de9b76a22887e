"""Opens image and mask files.

Rotation: an EXIF orientation tag of an image is applied, so that the picture stands as viewers show it. Masks
are drawn on what people see, so a mask belongs to the rotated picture; a mask's own tag, if it has one, is
applied to the mask. Both must then have the same size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.sources.base import Image
from s4former.data.sources.raster import (
    UNREADABLE,
    ValueRange,
    is_plain,
    load_upright,
    luma,
    read_values,
    scaled,
)

# Pillow's guard against small files that unpack to gigabytes would stop at 179 million pixels, which scanners
# and microscopes exceed. Here the files are one's own: 32,768 x 32,768 pixels take 3 GiB once decoded.
PilImage.MAX_IMAGE_PIXELS = 2**30


def decode_image(path: Path, channels: int = 3, value_range: ValueRange | None = None) -> Image:
    """Return the pixels of an image file, 8 bits each; see `raster` for what is not plain 8-bit RGB or gray.

    Args:
        path: The file. For 3 channels gray, palette, CMYK and alpha are converted to RGB.
        channels: How many channels there are.
        value_range: The values that become 0 and 255 where a file holds other numbers than 8 bits.

    Raises:
        DataError: If the file cannot be read, has other channels, or needs a range and there is none.
    """
    picture = load_picture(path, "image") if is_plain(path, channels) else None
    if picture is None or picture.mode.startswith(("I", "F")):
        return scaled(read_values(path, channels), value_range, str(path))
    pixels = np.array(picture.convert("RGB"))
    return pixels if channels == 3 else luma(pixels)


def load_picture(path: Path, what: str) -> PilImage.Image:
    """Open a file and turn it upright; its ``format`` is kept.

    Args:
        path: The file.
        what: What the error calls it, ``image`` or ``mask``.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        with PilImage.open(path) as picture:
            upright = load_upright(picture)
            upright.format = picture.format
            return upright
    except UNREADABLE as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error
        raise DataError(f"cannot read the {what} {path}: {reason}") from error
