"""What there is to know of one image or mask file: pure functions of the file."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Integer, UInt8
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.classes import Color, MaskValue
from s4former.data.sources.base import Image
from s4former.data.sources.decode import decode_image
from s4former.data.sources.decoding import decoding, is_turned
from s4former.data.sources.labels import count_values
from s4former.data.sources.mask_files import Reading, open_mask
from s4former.data.sources.values import ValueRange

THUMBNAIL = 16, 18
"""Rows and columns of the small gray picture by which copies are found."""
_MAX_VALUES = 512


@dataclass(frozen=True)
class ImageFacts:
    """What an image file holds.

    Attributes:
        height: In pixels, after EXIF rotation.
        width: In pixels, after EXIF rotation.
        mode: How the file stores pixels, in PIL's words, or its ending.
        gray: Whether all of its channels are equal.
        blank: Whether all of its pixels are equal.
        digest: The same for equal pixels, whatever the format.
        thumbnail: Base64 of `THUMBNAIL` gray levels.
        turned: Whether an EXIF tag turns or mirrors it.
        error: Why it cannot be read; nothing else is known then.
    """

    height: int = 0
    width: int = 0
    mode: str = ""
    gray: bool = False
    blank: bool = False
    digest: str = ""
    thumbnail: str = ""
    turned: bool = False
    error: str | None = None

    @classmethod
    def of(cls, file: Path, channels: int, value_range: ValueRange | None) -> Self:
        """Decode an image and look at it."""
        try:
            image = decode_image(file, channels, value_range)
        except DataError as error:
            return cls(error=str(error))
        height, width = image.shape[:2]
        thumbnail = _thumbnail(image)
        return cls(
            height,
            width,
            _mode(file),
            _is_gray(image),
            bool((thumbnail == thumbnail[0, 0]).all() and (image == image[0, 0]).all()),
            _digest(image),
            base64.b64encode(thumbnail.tobytes()).decode(),
            is_turned(file),
        )

    def picture(self) -> UInt8[np.ndarray, "rows columns"]:
        """Return the thumbnail."""
        return np.frombuffer(base64.b64decode(self.thumbnail), np.uint8).reshape(THUMBNAIL)


@dataclass(frozen=True)
class MaskFacts:
    """What a mask file holds, whatever its values mean.

    Attributes:
        height: In pixels, after EXIF rotation.
        width: In pixels, after EXIF rotation.
        counts: Values or colors with their number of pixels, the most frequent first; not more than a few
            hundred.
        digest: The same for equal masks.
        kind: How the file stores them, as in ``palette`` or ``8-bit``.
        palette: Index and color of what occurs in a file with a palette that is read by index.
        nodata: The number that the file declares to be no data, if its pixels hold it.
        error: Why it cannot be read; nothing else is known then.
    """

    height: int = 0
    width: int = 0
    counts: tuple[tuple[MaskValue, int], ...] = ()
    digest: str = ""
    kind: str = ""
    palette: tuple[tuple[int, Color], ...] = ()
    nodata: int | None = None
    error: str | None = None

    @classmethod
    def of(cls, file: Path, reading: Reading) -> Self:
        """Open a mask as `open_mask` does and count its values."""
        try:
            mask = open_mask(file, reading)
        except DataError as error:
            return cls(error=str(error))
        pixels = mask.pixels
        values, counts = _counted(pixels)
        height, width = pixels.shape[:2]
        pairs = tuple(zip(values[:_MAX_VALUES], counts[:_MAX_VALUES], strict=True))
        palette = tuple(mask.palette.items())
        return cls(height, width, pairs, _digest(pixels), mask.kind, palette, mask.nodata)


def _counted(pixels: Integer[np.ndarray, "h w *rgb"]) -> tuple[list[MaskValue], list[int]]:
    if pixels.dtype != np.uint8 or pixels.ndim == 3:
        return count_values(pixels, pixels.ndim == 3)
    counts = np.bincount(pixels.ravel(), minlength=256)  # many times as fast as sorting
    order = [int(value) for value in np.argsort(-counts, kind="stable") if counts[value]]
    return list(order), [int(counts[value]) for value in order]


def _digest(pixels: Integer[np.ndarray, "*axes"]) -> str:
    shape = repr((pixels.shape, pixels.dtype.str)).encode()
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16, key=shape[:64]).hexdigest()


def _mode(file: Path) -> str:
    try:
        with decoding(file), PilImage.open(file) as picture:
            return picture.mode
    except DataError:  # a kind of TIFF or array that PIL does not know
        return file.suffix.lower()


def _is_gray(image: Image) -> bool:
    every_so_often = image[::17, ::13]  # most images are in color, and show it at once
    return bool(
        (every_so_often == every_so_often[..., :1]).all()
        and all((image[..., 0] == image[..., channel]).all() for channel in range(1, image.shape[2]))
    )


def _thumbnail(image: Image) -> UInt8[np.ndarray, "rows columns"]:
    if image.shape[2] == 3:
        picture = PilImage.fromarray(image).convert("L")
    else:
        picture = PilImage.fromarray(np.ascontiguousarray(image[..., 0]))
    rows, columns = THUMBNAIL
    return np.array(picture.resize((columns, rows), PilImage.Resampling.BOX))
