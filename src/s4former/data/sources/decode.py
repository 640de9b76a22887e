"""Opens image files.

Rotation: an EXIF orientation tag of an image is applied, so that the picture stands as viewers show it. Masks
are drawn on what people see, so a mask belongs to the rotated picture; a mask's own tag, if it has one, is
applied to the mask. Both must then have the same size.
"""

from __future__ import annotations

from pathlib import Path

from s4former.data.sources.base import Image
from s4former.data.sources.decoding import load_upright, opened, rgb_array
from s4former.data.sources.raster import is_plain, read_values
from s4former.data.sources.values import ValueRange, luma, scaled


def decode_image(path: Path, channels: int = 3, value_range: ValueRange | None = None) -> Image:
    """Return the pixels of an image file, 8 bits each; see `raster` for what is not plain 8-bit RGB or gray.

    Args:
        path: The file. For 3 channels gray, palette, CMYK and alpha are converted to RGB.
        channels: How many channels there are.
        value_range: The values that become 0 and 255 where a file holds other numbers than 8 bits.

    Raises:
        DataError: If the file cannot be read, has other channels, or needs a range and there is none.
    """
    if not is_plain(path, channels):
        return scaled(read_values(path, channels), value_range, str(path))
    with opened(path) as picture:
        upright = load_upright(picture)
        deep = upright.mode.startswith(("I", "F"))
        if not deep:
            pixels = rgb_array(upright)
    if deep:
        return scaled(read_values(path, channels), value_range, str(path))
    return pixels if channels == 3 else luma(pixels)
