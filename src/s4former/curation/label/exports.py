"""Predicted masks as files that drawing tools read, so that people can correct them.

Source: the data format page of cocodataset.org, of which CVAT ("COCO 1.0", one unpacked json, polygons with
``iscrowd`` 0) and Label Studio's converter read the same; the files that labelme 5 writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from s4former.config.record import json_text
from s4former.curation.label.outlines import Points, area, outlines

Shapes = list[tuple[int, Points]]


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
