"""Opens mask files: what their pixels hold, unchanged.

How a mask stands is said in `decode`: a tag of its own, if it has one, is applied, else it belongs to the
upright image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Integer, Shaped

from s4former.config.errors import DataError
from s4former.data.sources.decode import load_picture
from s4former.data.sources.raster import read_array

_LOSSY_WEBP = b"VP8 "


def decode_mask(path: Path, colors: bool = False) -> Integer[np.ndarray, "h w *rgb"]:
    """Return the values of a mask file "h w" or, if it is in color, its RGB colors "h w 3" without alpha.

    Args:
        path: The file: gray or palette with 1, 8 or 16 bits, whole numbers of 32 bits, or RGB; an array of
            NumPy holds the same.
        colors: Whether a file of indices stands for colors: those of its palette, or black and white.

    Raises:
        DataError: If the file cannot be read, has other pixels, or a format that changes values.
    """
    if path.suffix.lower() == ".npy":
        return _array(path, colors)
    picture = load_picture(path, "mask")
    _require_lossless(path, picture.format)
    if (picture.mode in ("P", "PA") and colors) or picture.mode in ("RGB", "RGBA", "RGBX", "RGBa"):
        return np.array(picture.convert("RGB"))
    values = np.array(picture)  # never convert("L"): it would replace palette indices by gray levels
    if picture.mode in ("LA", "PA"):
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise DataError(
            f"{path}: a mask holds class values or RGB colors, this file is {picture.mode}; "
            "save it as an 8-bit gray or palette PNG whose values are the classes"
        )
    return _whole(values, path, colors)


def _array(path: Path, colors: bool) -> Integer[np.ndarray, "h w *rgb"]:
    values, _ = read_array(path, with_alpha=True)
    if values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8:
        return values
    if values.ndim != 2:
        raise DataError(
            f"{path}: a mask holds class values (height x width) or 8-bit RGB (height x width x 3), "
            f"this array is {values.dtype} of shape {values.shape}"
        )
    return _whole(values, path, colors)


def _whole(values: Shaped[np.ndarray, "h w"], path: Path, colors: bool) -> Integer[np.ndarray, "h w"]:
    if values.dtype == bool:
        return values.astype(np.uint8) * (255 if colors else 1)
    if values.dtype.kind != "f":
        return values
    whole = values.astype(np.int32)
    if not (whole == values).all():
        fraction = values[whole != values][0]
        raise DataError(
            f"{path}: a mask holds whole numbers, this one has {fraction:g}; save each pixel's class, not "
            "its probability"
        )
    return whole


def _require_lossless(path: Path, format: str | None) -> None:
    """Refuse formats that do not give back the values that were saved."""
    if format == "JPEG" or (format == "WEBP" and _LOSSY_WEBP in _start_of(path)):
        raise DataError(
            f"{path}: a lossy {format} file changes values near edges, so it cannot hold classes; save masks "
            "as PNG from the program that drew them. If that is gone and there are two classes only, convert "
            "the file to a black and white PNG (a threshold at half brightness) and look at its edges"
        )


def _start_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)
