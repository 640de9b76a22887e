"""COCO 2017 as 81 classes: background and the 80 kinds of things, drawn from the instance annotations."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s4former.config.errors import DataError, UserError
from s4former.curation.prepare.masks import for_each, write_mask
from s4former.curation.prepare.steps import Archive, DataSet, Step, there, unpacking
from s4former.data.progress import Report
from s4former.data.sources.base import LabelImage
from s4former.data.sources.known import KNOWN

_SITE = "http://images.cocodataset.org"  # its certificate is for another name: https is refused
_PARTS = {"train2017": 118_287, "val2017": 5_000}
_ARCHIVES = {
    "train2017": Archive(
        "train2017.zip", f"{_SITE}/zips/train2017.zip", 19_336_861_798, "md5:cced6f7f71b7629ddf16f17bbcfab6b2"
    ),
    "val2017": Archive(
        "val2017.zip", f"{_SITE}/zips/val2017.zip", 815_585_330, "md5:442b8da7639aecaf257c1dceb8ba8c80"
    ),
}
_ANNOTATIONS = Archive(
    "annotations_trainval2017.zip",
    f"{_SITE}/annotations/annotations_trainval2017.zip",
    252_907_541,
    "md5:f4bbac642086de4f52a3fdda2de5fa2c",
)
_WANTED = re.compile(
    r"(?:.*/)?((?:train2017|val2017)/[^/]+\.jpg|annotations/instances_(?:train|val)2017\.json)"
)


def dataset() -> DataSet:
    """Return COCO 2017: 118,287 training images, 5,000 to validate on, 81 classes."""
    return DataSet(
        name="coco",
        title="COCO 2017, 80 things and background",
        terms="annotations CC BY 4.0; the images are from flickr and keep its terms",
        folder="coco",
        layout={
            "train_images": "train2017",
            "train_masks": "masks/train2017",
            "val_images": "val2017",
            "val_masks": "masks/val2017",
            "test_images": None,
        },
        images={"labeled": _PARTS["train2017"], "val": _PARTS["val2017"]},
        steps=_steps,
    )


def draw_instances(
    annotations: Sequence[Mapping[str, Any]], height: int, width: int, classes: Mapping[int, int]
) -> LabelImage:
    """Return one image's classes: larger instances first, so that smaller ones in front of them stay.

    Crowds are drawn as their class. **We differ:** how the masks of the published COCO splits were drawn
    where instances overlap is not stated; they can be used too: put them into ``masks``.

    Args:
        annotations: The image's entries of an ``instances_*.json``.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        classes: Class index of each category id.

    Raises:
        UserError: If pycocotools is not installed.
    """
    try:
        from pycocotools import mask as runs
    except ImportError:
        raise UserError(
            "COCO's masks are drawn by pycocotools; type: pip install 's4former[formats]'"
        ) from None
    labels = np.zeros((height, width), dtype=np.uint8)
    for annotation in sorted(annotations, key=lambda one: -one["area"]):
        shape = annotation["segmentation"]
        if isinstance(shape, list):
            encoded = runs.merge(runs.frPyObjects(shape, height, width))
        else:
            encoded = runs.frPyObjects(shape, height, width) if isinstance(shape["counts"], list) else shape
        labels[runs.decode(encoded).astype(bool)] = classes[annotation["category_id"]]
    return labels


def _steps(folder: Path) -> list[Step]:
    masks_done = there(folder / "masks", _PARTS)
    return [
        *(
            unpacking(f"{part}: images", _ARCHIVES[part], folder, _WANTED, {part: count})
            for part, count in _PARTS.items()
        ),
        unpacking("annotations", _ANNOTATIONS, folder, _WANTED, {"annotations": 2}, masks_done),
        Step(
            "masks", masks_done, lambda _, report: sum(_make_masks(folder, part, report) for part in _PARTS)
        ),
    ]


def _make_masks(folder: Path, part: str, report: Report) -> int:
    path = folder / "annotations" / f"instances_{part}.json"
    report(f"reading {path.name}", 0, None)
    try:
        data = json.loads(path.read_bytes())
        classes = _class_indices(data["categories"])
        instances: dict[int, list[Any]] = defaultdict(list)
        for annotation in data["annotations"]:
            instances[annotation["image_id"]].append(annotation)
        images = list(data["images"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read {path}: {error!r}; delete it and run the command again") from error

    def target(image: Mapping[str, Any]) -> Path:
        return folder / "masks" / part / f"{Path(image['file_name']).stem}.png"

    def make(image: Mapping[str, Any]) -> None:
        try:
            labels = draw_instances(instances.get(image["id"], []), image["height"], image["width"], classes)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: cannot draw image {image['file_name']}: {error!r}") from error
        write_mask(target(image), labels, KNOWN["coco"].colors)

    return for_each(
        [image for image in images if not target(image).exists()], make, f"drawing masks of {part}", report
    )


def _class_indices(categories: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Return the class index of each category id: in the order of the ids, which have gaps, from 1."""
    ordered = sorted(categories, key=lambda category: category["id"])
    names = tuple(category["name"] for category in ordered)
    if names != KNOWN["coco"].names[1:]:
        raise ValueError(f"expected COCO's 80 categories, got {len(names)}")
    return {category["id"]: index + 1 for index, category in enumerate(ordered)}
