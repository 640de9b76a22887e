"""Predicted masks as files that drawing tools read, so that people can correct them.

Source: the data format page of cocodataset.org, of which CVAT ("COCO 1.0", one unpacked json, polygons with
``iscrowd`` 0) and Label Studio's converter read the same; the files that labelme 5 writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import contourpy
import numpy as np
from jaxtyping import Bool, Float, UInt8

from s4former.config.record import json_text
from s4former.types import IGNORE

Points = Float[np.ndarray, "_ 2"]
SMALLEST = 16
"""Pixels of the smallest piece that gets an outline: a person would not draw less."""
_TOLERANCE, _EXACT = 0.5, 1e-6
"""Pixels by which an outline may pass beside the mask's edge, and beside that of a thin piece."""
_CHANGE = 0.1
"""Share of its area that a piece may lose or gain by that."""
Shapes = list[tuple[int, Points]]


def outlines(mask: UInt8[np.ndarray, "h w"]) -> Iterator[tuple[int, Points]]:
    """Yield each piece of each class of a mask: the class's index, and its corners as x and y in pixels.

    Holes are cut out by a slit from the outline, as no format but our own has holes in polygons.
    """
    for index in np.unique(mask[mask != IGNORE]).tolist():
        for outline in _pieces(mask == index):
            yield index, outline


def area(points: Points) -> float:
    """Return the area inside of a closed line, in pixels."""
    x, y = (points - points[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _pieces(pixels: Bool[np.ndarray, "h w"]) -> Iterator[Points]:
    rows, columns = (np.flatnonzero(pixels.any(axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    box = np.pad(pixels[top : rows[-1] + 1, left : columns[-1] + 1], 1).astype(float)
    lines = contourpy.contour_generator(z=box, fill_type=contourpy.FillType.OuterOffset).filled(0.5, 2.0)
    corner = np.array([left - 0.5, top - 0.5])  # pixel centers have whole coordinates there, and halves here
    for points, starts in zip(*lines, strict=True):
        outer, *holes = (ring[:-1] + corner for ring in np.split(points, starts[1:-1]))
        if area(outer) >= SMALLEST:
            yield _with_slits(_simple(outer), [_simple(hole) for hole in holes if area(hole) >= SMALLEST])


def _simple(ring: Points) -> Points:
    """Return a closed line with fewer corners."""
    simple = _simplified(ring, _TOLERANCE)
    thin = abs(area(simple) - area(ring)) > _CHANGE * area(ring)  # a strip may lose its width
    return _simplified(ring, _EXACT) if thin else simple


def _simplified(ring: Points, tolerance: float) -> Points:
    """Return the corners that Douglas and Peucker's rule keeps, on both halves of a closed line."""
    far = int(((ring - ring[0]) ** 2).sum(1).argmax())
    closed = np.concatenate([ring, ring[:1]])
    keep, spans = {0, far}, [(0, far), (far, len(ring))]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        start, along = closed[first], closed[last] - closed[first]
        offsets = closed[first + 1 : last] - start
        length = float(np.hypot(*along))
        across = offsets[:, 0] * along[1] - offsets[:, 1] * along[0]
        distances = np.abs(across) / length if length else np.hypot(*offsets.T)
        middle = first + 1 + int(distances.argmax())
        if distances[middle - first - 1] > tolerance:
            keep.add(middle)
            spans += [(first, middle), (middle, last)]
    return ring[sorted(keep)]


def _with_slits(outer: Points, holes: list[Points]) -> Points:
    """Return one closed line around an area with holes: from the nearest corner to each, around it, back."""
    for hole in holes:
        at = int(((outer - hole[0]) ** 2).sum(1).argmin())
        outer = np.concatenate([outer[: at + 1], hole, hole[:1], outer[at:]])
    return outer


class CocoFile:
    """COCO json that grows by an image at a time; each piece of a class is an annotation of one polygon.

    Args:
        names: Class names by index; category ids count from 1.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._categories = [{"id": id, "name": name, "supercategory": ""} for id, name in enumerate(names, 1)]
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, size: tuple[int, int], shapes: Shapes) -> None:
        """Add an image by its file name, its height and width, and its pieces."""
        id = len(self._images) + 1
        self._images.append({"id": id, "file_name": name, "height": size[0], "width": size[1]})
        for index, points in shapes:
            low, high = points.min(0), points.max(0)
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": id,
                    "category_id": index + 1,
                    "segmentation": [points.ravel().tolist()],
                    "area": area(points),
                    "bbox": [*low.tolist(), *(high - low).tolist()],
                    "iscrowd": 0,
                }
            )

    def text(self) -> str:
        """Return the file's content."""
        return json_text(
            {
                "info": {"description": "machine-made by s4former label"},
                "licenses": [],
                "images": self._images,
                "annotations": self._annotations,
                "categories": self._categories,
            }
        )


def labelme_text(image: str, size: tuple[int, int], shapes: Shapes, names: Sequence[str]) -> str:
    """Return the content of a labelme file.

    Args:
        image: The image's path, seen from the file's folder.
        size: Its height and width.
        shapes: Its pieces.
        names: Class names by index.
    """
    listed = [
        {
            "label": names[index],
            "points": points.tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }
        for index, points in shapes
    ]
    return json_text(
        {
            "version": "5.5.0",
            "flags": {},
            "shapes": listed,
            "imagePath": image,
            "imageData": None,
            "imageHeight": size[0],
            "imageWidth": size[1],
        }
    )


def shapes_of(mask: UInt8[np.ndarray, "h w"]) -> Shapes:
    """Return the pieces of a mask, the largest first: whoever draws them in order keeps the small ones."""
    return sorted(outlines(mask), key=lambda piece: -area(piece[1]))
