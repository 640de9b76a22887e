"""From the numbers in an image file to pixels of 8 bits.

Channels: an image must have as many as ``data.channels`` says, in the first or last axis of an array. Two
numbers convert, as they do in viewers: for 3 channels gray is repeated, for 1 channel color becomes its luma
(ITU-R 601).

Values: 8-bit files are read as they are. All others are scaled by ``data.value_range``, whose ends become 0
and 255; values beyond them are clipped, and what is not a number becomes 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.sources.base import Image
from s4former.data.sources.decoding import Array

_BAND = 2**22  # numbers that are scaled at once
ValueRange = tuple[float, float]
Levels = UInt8[np.ndarray, "..."]
Values = Shaped[np.ndarray, "h w c"]  # as the file holds them: any type of number


class NoRangeError(DataError):
    """Values of other than 8 bits, and nothing says which become black and white.

    Attributes:
        found: What is in which image.
    """

    def __init__(self, message: str, found: str) -> None:
        super().__init__(message, found)  # both, so that it comes whole from the process of a loader
        self.found = found

    def __str__(self) -> str:
        """Return the message."""
        return str(self.args[0])

    @classmethod
    def of(cls, name: str, values: Array) -> NoRangeError:
        """Return it for an image and the values that it holds."""
        low, high = measured_range(values)
        found = f"{name}: has {values.dtype} values from {low:g} to {high:g}"
        return cls(
            f"{found}, and nothing says which become black and white; set "
            f"data.value_range=[{low:g},{high:g}], or the range of all images (value_range: [low, high] in a "
            "YAML file), or run `s4former init`, which measures it",
            found,
        )


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
        raise NoRangeError.of(name, values)
    if values.dtype == np.uint16:  # a table: 16-bit files are many and large
        pixels: Image = _scale(np.arange(2**16), value_range)[values]
        return pixels
    return _scale(values, value_range)


def _scale(values: Array, value_range: ValueRange) -> Levels:
    low, high = value_range
    levels = np.empty(values.shape, np.uint8)
    rows = max(1, _BAND // max(1, values[:1].size))
    for top in range(0, len(values), rows):  # as floats of 8 bytes a huge image would fill the memory
        unit = (np.clip(values[top : top + rows].astype(np.float64), low, high) - low) / (high - low)
        levels[top : top + rows] = np.rint(np.nan_to_num(unit) * 255)
    return levels


def measured_range(values: Array, percentiles: tuple[float, float] = (0, 100)) -> ValueRange:
    """Return the values at two percentiles, apart from each other in any case; infinite ones don't count."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, percentiles).tolist() if finite.size else (0.0, 0.0)
    return low, high if high > low else low + 1


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
