"""The size of an image as viewers show it, without decoding it where that can be helped."""

from __future__ import annotations

from pathlib import Path

from PIL import ExifTags

from s4former.data.sources.decoding import load_upright, opened
from s4former.data.sources.raster import is_plain, read_values

_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width


def displayed_size(path: Path, channels: int) -> tuple[int, int]:
    """Return an image's height and width after its EXIF rotation.

    Args:
        path: The file.
        channels: How many channels it has, which tells what is an axis of channels in arrays and TIFF files.

    Raises:
        DataError: If the file cannot be read.
    """
    if not is_plain(path, channels):
        height, width = read_values(path, channels).shape[:2]
        return height, width
    with opened(path) as picture:
        turned = picture.getexif().get(ExifTags.Base.Orientation) in _TURNED
        upright = load_upright(picture) if turned else picture
        return upright.height, upright.width
