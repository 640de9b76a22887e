"""What the channels of a data set look like, measured once and then written into its config."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from s4former.config.errors import DataError
from s4former.data.sources.base import Image
from s4former.data.sources.raster import read_values
from s4former.data.sources.values import ValueRange, measured_range

PERCENTILES = (0.1, 99.9)
_SAMPLE = 2**16
_SMALLEST_STD = 1 / 255  # of a channel that never changes: one gray level

Item = TypeVar("Item")


def channel_statistics(images: Iterable[Image]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel over all pixels, on the scale 0 to 1.

    They are exact: pixels are counted by value, one image at a time.

    Raises:
        ValueError: If there is no image, or images differ in their number of channels.
    """
    counts: np.ndarray | None = None
    for image in images:
        own = np.stack(
            [np.bincount(channel, minlength=256) for channel in image.reshape(-1, image.shape[2]).T]
        )
        if counts is not None and counts.shape != own.shape:
            raise ValueError(f"expected {len(counts)} channels in each image, got {len(own)}")
        counts = own if counts is None else counts + own
    if counts is None:
        raise ValueError("statistics need at least one image")
    levels = np.arange(256) / 255
    mean = counts @ levels / counts.sum(axis=1)
    variance = (counts * (levels - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    return tuple(mean.tolist()), tuple(np.maximum(np.sqrt(variance), _SMALLEST_STD).tolist())


def measure_value_range(files: Sequence[Path], channels: int, limit: int = 200) -> ValueRange | None:
    """Return the range of values to be scaled to 0 to 255, or None if all files have 8 bits.

    It spans the 0.1th to the 99.9th percentile, so that a few hot pixels don't make the rest dark. Of at most
    ``limit`` files, evenly spread, some 65,000 values each are looked at; broken ones don't count.
    """
    samples = []
    for file in spread(files, limit):
        try:
            values = read_values(file, channels).reshape(-1)
        except DataError:
            continue
        if values.dtype not in (np.uint8, bool):
            samples.append(values[:: -(-values.size // _SAMPLE)])
    if not samples:
        return None
    low, high = measured_range(np.concatenate(samples), PERCENTILES)
    whole = all(sample.dtype.kind in "ui" or _whole_but_for_nodata(sample) for sample in samples)
    return (float(np.floor(low)), float(np.ceil(high))) if whole else (low, high)


def _whole_but_for_nodata(sample: np.ndarray) -> bool:
    """Whether numbers were whole before those that a file declares to be no data became NaN."""
    absent = np.isnan(sample)
    return bool(absent.any() and (sample[~absent] == np.rint(sample[~absent])).all())


def spread(items: Sequence[Item], limit: int) -> list[Item]:
    """Return at most ``limit`` items, evenly spread."""
    count = min(len(items), limit)
    return [items[index * len(items) // count] for index in range(count)]
