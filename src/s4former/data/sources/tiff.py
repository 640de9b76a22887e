"""TIFF files: what their tags say of each page, and reading those that Pillow cannot read in full."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import TiffImagePlugin

from s4former.config.errors import DataError
from s4former.data.sources.decoding import Array, decoding, first_bytes, require_plausible, upright

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SIGNED, _UNPACKED = 2, 1


@dataclass(frozen=True)
class TiffPage:
    """What the tags of one page say.

    Attributes:
        size: Width and height as stored.
        bits: Of each channel.
        sample_format: 1 for whole numbers, 2 for signed ones, 3 for floats.
        photometric: 0 if the lowest value is white, 1 if it is black, 2 for RGB, 3 for a palette.
        compression: Number of the codec.
        reduced: Whether it is a smaller version of another page.
        validity: Whether it says which pixels of another page hold something.
        nodata: The value that stands for "nothing is known here" (GDAL's tag).
        data: Where the first strip or tile begins, and its length.
        georeferenced: Whether it says where on earth it lies (GeoTIFF's tags).
    """

    size: tuple[int, int]
    bits: tuple[int, ...]
    sample_format: int
    photometric: int
    compression: int
    reduced: bool
    validity: bool
    nodata: float | None
    data: tuple[int, int]
    georeferenced: bool = False

    @classmethod
    def of(cls, tags: Any) -> Self:
        """Read the tags of a page as Pillow has them."""
        kind = _number(tags, 254, 0)
        return cls(
            (_number(tags, 256, 0), _number(tags, 257, 0)),
            _numbers(tags, 258) or (1,),
            _number(tags, 339, 1),
            _number(tags, 262, 1),
            _number(tags, 259, 1),
            bool(kind & 1) or _number(tags, 255, 1) == 2,
            bool(kind & 4),
            _nodata(tags.get(42113)),
            (_number(tags, 273, _number(tags, 324, 0)), _number(tags, 279, _number(tags, 325, 0))),
            any(tag in tags for tag in (33550, 33922, 34264)),  # pixel scale, tie points, transformation
        )

    @classmethod
    def plain(cls, bits: int) -> Self:
        """Return a page of one gray channel of another format than TIFF."""
        return cls((0, 0), (bits,), 1, 1, 1, False, False, None, (0, 0))

    @property
    def signed_bytes(self) -> bool:
        """Whether it holds signed numbers of 8 bits, which Pillow takes for unsigned ones."""
        return self.sample_format == _SIGNED and set(self.bits) == {8}


def is_tiff(head: bytes) -> bool:
    """Return whether a file that starts like this is a TIFF."""
    return head.startswith(_MAGIC)


def tiff_pages(path: Path, what: str = "image") -> tuple[TiffPage, ...]:
    """Return what the tags of each page say; nothing is decoded.

    Raises:
        DataError: If it cannot be read.
    """
    found, seen = list[TiffPage](), set[int]()
    with decoding(path, what), path.open("rb") as file:
        head = file.read(8)
        if head[2:3] == b"\x2b" or head[3:4] == b"\x2b":  # BigTIFF
            head += file.read(8)
        directory = TiffImagePlugin.ImageFileDirectory_v2(head)
        while directory.next and directory.next not in seen:
            seen.add(directory.next)
            file.seek(directory.next)
            directory.load(file)
            found.append(TiffPage.of(directory))
    if not found:
        raise DataError(f"cannot read the {what} {path}: it is a TIFF file without a page")
    return tuple(found)


def content_pages(pages: tuple[TiffPage, ...]) -> tuple[int, ...]:
    """Return which pages hold what the file is about: no thumbnails, and no page of validity."""
    return tuple(
        number
        for number, page in enumerate(pages)
        if number == 0 or (page.size == pages[0].size and not page.reduced and not page.validity)
    )


def declared_nodata(path: Path) -> float | None:
    """Return the value that a file declares to stand for no data, None if it declares none.

    Raises:
        DataError: If it is a TIFF that cannot be read.
    """
    return tiff_pages(path)[0].nodata if is_tiff(first_bytes(path, 4)) else None


def _tifffile(path: Path) -> Any:
    try:
        import tifffile
    except ModuleNotFoundError:
        raise DataError(
            f"{path}: TIFF files of this kind (many bands, or more than 8 bits of color) are read with the "
            "package tifffile; type pip install 's4former[formats]'"
        ) from None
    return tifffile


def read_validity(path: Path, number: int) -> Array:
    """Return whether each pixel holds something, as a page of a mask file's own says.

    Raises:
        DataError: If it cannot be read, or tifffile is not installed.
    """
    tifffile = _tifffile(path)
    with decoding(path, "mask"), tifffile.TiffFile(path) as file:
        page = file.pages[number]
        require_plausible(path, "mask", page.nbytes)
        valid: Array = np.asarray(page.asarray()) != 0
        return valid


def read_with_tifffile(path: Path, what: str = "image") -> tuple[Array, bool]:
    """Return the array of a TIFF, upright, and whether it is known to have its channels last.

    Raises:
        DataError: If it cannot be read, or tifffile is not installed.
    """
    tifffile = _tifffile(path)
    with decoding(path, what):
        try:
            with tifffile.TiffFile(path) as file:
                series, tag = file.series[0], file.pages.first.tags.get(274)  # Orientation
                require_plausible(path, what, series.nbytes)
                values, axes = np.asarray(series.asarray()), str(series.axes)
                orientation = 1 if tag is None else int(tag.value)
        except Exception:
            if tiff_pages(path, what)[0].compression != _UNPACKED and find_spec("imagecodecs") is None:
                raise _lacks_imagecodecs(path, "TIFF files with this compression") from None
            raise
        return _upright_series(values, axes, orientation)


def _upright_series(values: Array, axes: str, orientation: int) -> tuple[Array, bool]:
    if values.ndim == 3 and "S" in axes:
        return upright(np.moveaxis(values, axes.index("S"), 2), orientation), True
    if values.ndim == 3 and orientation != 1:
        return np.stack([upright(page, orientation) for page in values]), False
    return upright(values, orientation) if values.ndim == 2 else values, False


def _lacks_imagecodecs(path: Path, what: str) -> DataError:
    return DataError(
        f"{path}: {what} are read with the package imagecodecs; type pip install 's4former[formats]'"
    )


def imagecodecs_for(path: Path, what: str) -> Any:
    """Return the package imagecodecs.

    Args:
        path: The file that needs it.
        what: What such files are called.

    Raises:
        DataError: If it is not installed; the message says what to type.
    """
    try:
        import imagecodecs
    except ImportError:
        raise _lacks_imagecodecs(path, what) from None
    return imagecodecs


def _numbers(tags: Any, tag: int) -> tuple[int, ...]:
    value = tags.get(tag, ())
    values = value if isinstance(value, tuple) else (value,)
    return tuple(int(item) for item in values if isinstance(item, int | float) and math.isfinite(item))


def _number(tags: Any, tag: int, default: int) -> int:
    return next(iter(_numbers(tags, tag)), default)


def _nodata(value: Any) -> float | None:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    try:
        return None if value is None else float(text.strip(" \0"))
    except ValueError:
        return None
