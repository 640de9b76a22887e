"""Cityscapes: its two archives, which need a login, and masks of train ids from those of label ids."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from s4former.config.errors import DataError
from s4former.curation.prepare.masks import for_each, write_mask
from s4former.curation.prepare.steps import Archive, DataSet, Step, unpacking
from s4former.data.progress import Report
from s4former.data.sources.base import LabelImage
from s4former.data.sources.known import KNOWN
from s4former.data.sources.mask_files import decode_mask
from s4former.types import IGNORE

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label id of each of the 19 train ids; the other label ids are not scored."""

_PAGE = "https://www.cityscapes-dataset.com/downloads/"
_IMAGES = Archive("leftImg8bit_trainvaltest.zip", None, 11_592_327_197, page=_PAGE)
_MASKS = Archive("gtFine_trainvaltest.zip", None, 252_567_705, page=_PAGE)
_WANTED = re.compile(r"(?:.*/)?((?:leftImg8bit|gtFine)/(?:train|val|test)/\w+/[^/]+\.(?:png|json))")
_LABELS, _TRAIN_IDS = "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"
_PARTS = {"train": 2_975, "val": 500}


def dataset() -> DataSet:
    """Return Cityscapes with its fine masks: 2,975 training images, 500 to validate on, 19 classes."""
    return DataSet(
        name="cityscapes",
        title="Cityscapes, fine masks",
        terms="research and other non-commercial use, after registration",
        folder="cityscapes",
        layout={
            "train_images": "leftImg8bit/train",
            "train_masks": "gtFine/train",
            "val_images": "leftImg8bit/val",
            "val_masks": "gtFine/val",
            "test_images": None,
            "image_suffix": "_leftImg8bit",
            "mask_suffix": "_gtFine_labelTrainIds",
        },
        images={"labeled": _PARTS["train"], "val": _PARTS["val"]},
        steps=_steps,
    )


def to_train_ids(labels: LabelImage, name: str) -> LabelImage:
    """Return train ids for label ids; `IGNORE` for the classes that are not scored.

    Raises:
        DataError: If there is another value than 0 to 33 and 255.
    """
    wrong = (labels > 33) & (labels != IGNORE)
    if wrong.any():
        raise DataError(f"{name} holds {int(labels[wrong][0])}; label ids of Cityscapes are 0 to 33")
    table = np.full(256, IGNORE, dtype=np.uint8)
    table[list(LABEL_IDS)] = np.arange(len(LABEL_IDS))
    ids: LabelImage = table[labels]
    return ids


def _steps(folder: Path) -> list[Step]:
    images = {f"leftImg8bit/{part}": n for part, n in _PARTS.items()}
    # Each image has masks of label ids and of instances, one in color and the polygons.
    masks = {f"gtFine/{part}": 4 * n for part, n in _PARTS.items()}
    return [
        unpacking("images", _IMAGES, folder, _WANTED, images),
        unpacking("masks", _MASKS, folder, _WANTED, masks),
        Step(
            "masks of train ids",
            lambda: all(
                sum(1 for _ in (folder / "gtFine" / part).glob(f"*/*{_TRAIN_IDS}")) >= n
                for part, n in _PARTS.items()
            ),
            lambda _, report: _make_masks(folder / "gtFine", report),
        ),
    ]


def _make_masks(masks: Path, report: Report) -> int:
    sources = [source for part in _PARTS for source in sorted((masks / part).glob(f"*/*{_LABELS}"))]
    targets = {source: source.with_name(source.name.replace(_LABELS, _TRAIN_IDS)) for source in sources}
    missing = [source for source in sources if not targets[source].exists()]

    def make(source: Path) -> None:
        labels = to_train_ids(decode_mask(source).astype(np.uint8), str(source))
        write_mask(targets[source], labels, KNOWN["cityscapes"].colors)

    return for_each(missing, make, "writing masks of train ids", report)
