"""Areas of classes as CSV, and masks as COCO json, of all images that were predicted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage

from s4former.config.errors import UserError
from s4former.inference.records import ImageRecord

COLUMNS = ("image", "file", "class", "pixels", "share", "square_meters", "confidence")


def csv_text(records: Sequence[ImageRecord], names: Sequence[str]) -> str:
    """Return the area of each class in each image: a line for each, also where it is zero."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        total = max(1, sum(record.pixels))
        for name, pixels, sure in zip(names, record.pixels, record.confidence, strict=True):
            meters = "" if record.square_meters is None else f"{pixels * record.square_meters:.6g}"
            confidence = f"{sure / pixels:.4f}" if pixels else ""
            row = (record.name, record.file, name, pixels, f"{pixels / total:.6f}", meters, confidence)
            writer.writerow(row)
    return text.getvalue()


def require_pycocotools() -> None:
    """Make sure that run lengths can be written.

    Raises:
        UserError: If pycocotools is not installed.
    """
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError:
        raise UserError(
            "--coco needs pycocotools, which is not installed; type pip install 's4former[formats]'"
        ) from None


def coco_text(records: Sequence[ImageRecord], names: Sequence[str], out: Path) -> str:
    """Return COCO json: an annotation for each class in each image, its pixels as run lengths.

    The id of a category is the value in the masks plus 1, as tools take 0 for background. ``score`` is the
    mean confidence.
    """
    from pycocotools import mask as coco

    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, record in enumerate(records, 1):
        height, width = record.size
        images.append({"id": number, "file_name": Path(record.file).name, "height": height, "width": width})
        with PilImage.open(out / record.mask) as picture:
            mask = np.asarray(picture)
        for index, pixels in enumerate(record.pixels):
            if not pixels:
                continue
            runs = coco.encode(np.asfortranarray(mask == index))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": index + 1,
                    "segmentation": {"size": [height, width], "counts": runs["counts"].decode("ascii")},
                    "area": pixels,
                    "bbox": coco.toBbox(runs).tolist(),
                    "iscrowd": 0,
                    "score": round(record.confidence[index] / pixels, 4),
                }
            )
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(names)]
    return json.dumps({"images": images, "categories": categories, "annotations": annotations}) + "\n"
