"""ADE20K as of the 2016 challenge: 150 classes, whose masks start at 1 and are shifted to start at 0."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from s4former.config.errors import DataError
from s4former.curation.prepare.masks import masks_from_annotations
from s4former.curation.prepare.steps import Archive, DataSet, Step, there, unpacking
from s4former.data.sources.base import LabelImage
from s4former.data.sources.known import KNOWN
from s4former.types import IGNORE

_NAME = "ADEChallengeData2016"
_ARCHIVE = Archive(
    f"{_NAME}.zip",
    f"http://data.csail.mit.edu/places/ADEchallenge/{_NAME}.zip",
    967_382_037,
    "md5:7328b3957e407ddae1d3cbf487f149ef",
)
_PARTS = {"training": 20_210, "validation": 2_000}
_WANTED = re.compile(rf"(?:.*/)?{_NAME}/((?:images|annotations)/(?:training|validation)/[^/]+\.(?:jpg|png))")


def dataset() -> DataSet:
    """Return ADE20K: 20,210 training images, 2,000 to validate on, 150 classes."""
    return DataSet(
        name="ade20k",
        title="ADE20K, challenge of 2016",
        terms="annotations BSD 3-clause; images for non-commercial research and education",
        folder=f"ade/{_NAME}",
        layout={
            "train_images": "images/training",
            "train_masks": "masks/training",
            "val_images": "images/validation",
            "val_masks": "masks/validation",
            "test_images": None,
        },
        images={"labeled": _PARTS["training"], "val": _PARTS["validation"]},
        steps=_steps,
    )


def shift_ids(labels: LabelImage, name: str) -> LabelImage:
    """Return class ``k - 1`` for value ``k``, and `IGNORE` for 0, which stands for all other things.

    Raises:
        DataError: If there is another value than 0 to 150: such a mask may be shifted already.
    """
    if labels.max(initial=0) > len(KNOWN["ade20k"]):
        raise DataError(f"{name} holds {labels.max()}; values of ADE20K are 0 to 150: is it shifted already?")
    shifted: LabelImage = np.where(labels == 0, IGNORE, labels - 1).astype(np.uint8)
    return shifted


def _steps(folder: Path) -> list[Step]:
    kept = {f"{kind}/{part}": n for kind in ("images", "annotations") for part, n in _PARTS.items()}
    return [
        unpacking("images and annotations", _ARCHIVE, folder, _WANTED, kept),
        Step(
            "masks that start at 0",
            there(folder / "masks", _PARTS),
            lambda _, report: masks_from_annotations(folder, shift_ids, KNOWN["ade20k"].colors, report),
        ),
    ]
