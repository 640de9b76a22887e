"""Where on earth the pixels of a GeoTIFF lie, kept for what is predicted of them (rasterio)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.data.sources.decoding import decoding, first_bytes
from s4former.data.sources.tiff import is_tiff, tiff_pages
from s4former.types import IGNORE


@dataclass(frozen=True)
class GeoReference:
    """The place of an image on earth.

    Attributes:
        path: The GeoTIFF that it is of.
        tags: What rasterio writes into another file of the same place.
        square_meters: Area of a pixel; none in degrees, where it differs from row to row.
    """

    path: Path
    tags: dict[str, Any]
    square_meters: float | None

    def valid(self) -> Bool[np.ndarray, "h w"] | None:
        """Return which pixels hold something; none: all of them do."""
        import rasterio
        from rasterio.enums import MaskFlags

        with decoding(self.path), rasterio.open(self.path) as file:
            if all(MaskFlags.all_valid in flags for flags in file.mask_flag_enums):
                return None
            found: Bool[np.ndarray, "h w"] = file.dataset_mask() != 0
            return found

    def write(
        self, path: Path, pixels: UInt8[np.ndarray, "h w"], colors: Sequence[tuple[int, int, int]] = ()
    ) -> None:
        """Write a GeoTIFF of the same place; one with ``colors`` holds classes, and `IGNORE` for no data."""
        nodata = {"nodata": IGNORE} if colors else {}
        with self._written(path, pixels.shape[::-1], count=1, **nodata) as file:
            file.write(pixels, 1)
            if colors:
                file.write_colormap(1, dict(enumerate(colors)))

    def write_rows(
        self, path: Path, rows: Iterable[tuple[int, PilImage.Image]], size: tuple[int, int]
    ) -> None:
        """Write an RGB GeoTIFF of the same place from rows, each with the number of the first of them."""
        from rasterio.windows import Window

        with self._written(path, size, count=3) as file:
            for top, band in rows:
                file.write(np.moveaxis(np.asarray(band), 2, 0), window=Window(0, top, *band.size))

    def _written(self, path: Path, size: tuple[int, ...], **settings: Any) -> Any:
        import rasterio

        usual = {"dtype": "uint8", "compress": "deflate", "tiled": True, "BIGTIFF": "IF_SAFER"}
        shape = {"width": size[0], "height": size[1]}
        return rasterio.open(path, "w", driver="GTiff", **shape, **usual, **settings, **self.tags)


def georeference(path: Path) -> GeoReference | None:
    """Return the place of a GeoTIFF, none of any other file and where rasterio is not installed."""
    try:
        if not is_tiff(first_bytes(path, 4)) or not tiff_pages(path)[0].georeferenced:
            return None
    except DataError:  # who reads the pixels says so
        return None
    if find_spec("rasterio") is None:
        _say_what_is_lost(path)
        return None
    import rasterio

    with decoding(path), rasterio.open(path) as file:
        if file.crs is None and file.transform.is_identity and not file.gcps[0]:
            return None
        tags = {"crs": file.crs, "transform": file.transform}
        if file.transform.is_identity and file.gcps[0]:
            tags = {"gcps": file.gcps[0], "crs": file.gcps[1]}
        meters = None
        if file.crs is not None and file.crs.is_projected:
            meters = abs(file.transform.determinant) * file.crs.linear_units_factor[1] ** 2
        return GeoReference(path, tags, meters)


@cache
def _say_what_is_lost(path: Path) -> None:
    logging.getLogger(__name__).warning(
        f"{path} has a georeference, which its masks will lack, as rasterio is not installed; type "
        "pip install 's4former[geo]'"
    )
