"""Pascal VOC 2012 with the extra masks of SBD, in the layout of MMSegmentation and the S4Former release."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np

from s4former.config.errors import DataError, UserError
from s4former.config.record import write_atomically, write_text
from s4former.curation.prepare.masks import for_each, write_mask
from s4former.curation.prepare.steps import Archive, DataSet, Step, count_files, unpacking
from s4former.data.progress import Report
from s4former.data.sources.base import LabelImage
from s4former.data.sources.known import KNOWN
from s4former.data.split_lists import read_split

_WANTED = re.compile(
    r"(?:.*/)?VOCdevkit/VOC2012/((?:JPEGImages|SegmentationClass|ImageSets/Segmentation)/[^/]+\.(?:jpg|png|txt))"
)
_SBD_WANTED = re.compile(r"(?:.*/)?benchmark_RELEASE/(dataset/(?:cls/[^/]+\.mat|(?:train|val)\.txt))")
_LISTS = "ImageSets/Segmentation"
_SBD = "VOCaug"
"""Folder of SBD's masks beside ``VOC2012``, as MMSegmentation has it."""
_NUM_SBD, _NUM_AUG = 11_355, 10_582


def dataset() -> DataSet:
    """Return Pascal VOC 2012: 10,582 training images with masks of VOC or SBD, 1,449 to validate on."""
    return DataSet(
        name="voc",
        title="Pascal VOC 2012 with SBD",
        terms="free for research; the images are from flickr and keep its terms",
        folder="VOCdevkit/VOC2012",
        layout={
            "train_images": "JPEGImages",
            "train_masks": "SegmentationClassAug",
            "labeled_split": f"{_LISTS}/train_aug.txt",
            "unlabeled_split": f"{_LISTS}/train_aug.txt",
            "val_images": "JPEGImages",
            "val_masks": "SegmentationClass",
            "val_split": f"{_LISTS}/val.txt",
            "test_images": None,
        },
        images={"labeled": _NUM_AUG, "val": 1_449},
        steps=_steps,
    )


def _steps(folder: Path) -> list[Step]:
    masks, sbd = folder / "SegmentationClassAug", folder.parent / _SBD / "dataset"
    voc_archive, sbd_archive = _archives()

    def masks_done() -> bool:
        return count_files(masks) >= _NUM_AUG and (folder / _LISTS / "train_aug.txt").exists()

    of_voc = {"JPEGImages": 17_125, "SegmentationClass": 2_913, _LISTS: 3}
    of_sbd = {"dataset/cls": _NUM_SBD}
    return [
        unpacking("images, masks and lists of VOC", voc_archive, folder, _WANTED, of_voc),
        unpacking("masks of SBD", sbd_archive, sbd.parent, _SBD_WANTED, of_sbd, masks_done),
        Step(
            "SegmentationClassAug, train_aug.txt",
            masks_done,
            lambda _, report: _make_masks(folder, masks, sbd, report),
        ),
    ]


def _archives() -> tuple[Archive, Archive]:
    """Return VOC's and SBD's archives, at the addresses and with the sums that torchvision knows."""
    from torchvision.datasets.sbd import SBDataset
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    voc2012 = DATASET_YEAR_DICT["2012"]
    return (
        Archive(voc2012["filename"], voc2012["url"], 1_999_639_040, f"md5:{voc2012['md5']}"),
        Archive(SBDataset.filename, SBDataset.url, 1_419_539_633, f"md5:{SBDataset.md5}"),
    )


def _make_masks(folder: Path, masks: Path, sbd: Path, report: Report) -> int:
    """Gather the masks of all training images: VOC's own where there is one, else SBD's.

    Which: SBD's train and val and VOC's train, without VOC's val; 10,582 of the true archives.
    """
    own = _ids(folder / _LISTS / "train.txt")
    held_out = _ids(folder / _LISTS / "val.txt")
    both = [_ids(sbd / f"{part}.txt") for part in ("train", "val")] if sbd.is_dir() else []
    ids = sorted({*own, *(id for part in both for id in part)} - set(held_out))
    missing = [id for id in ids if not (masks / f"{id}.png").exists()]
    known = set(own)

    def make(id: str) -> None:
        if id in known:
            source = folder / "SegmentationClass" / f"{id}.png"
            write_atomically(masks / f"{id}.png", lambda temporary: shutil.copyfile(source, temporary))
        else:
            write_mask(masks / f"{id}.png", read_sbd(sbd / "cls" / f"{id}.mat"), KNOWN["voc"].colors)

    written = for_each(missing, make, "writing SegmentationClassAug", report)
    training = folder / _LISTS / "train_aug.txt"
    if training.exists():
        return written
    # Masks from elsewhere may be of more images than the lists at hand, if SBD's are not.
    extra = {path.stem for path in masks.glob("*.png")} - set(held_out) if not both else set()
    write_text(training, "".join(f"{id}\n" for id in sorted({*ids, *extra})))
    return written + 1


def read_sbd(path: Path) -> LabelImage:
    """Return the class indices in one of SBD's ``.mat`` files.

    Raises:
        UserError: If scipy is not installed.
        DataError: If the file is missing or damaged.
    """
    try:
        from scipy.io import loadmat
    except ImportError:
        raise UserError("SBD's masks are read by scipy; type: pip install 's4former[formats]'") from None
    try:
        labels = np.asarray(loadmat(path)["GTcls"]["Segmentation"][0, 0])
    except Exception as error:  # whatever a parser of MATLAB files stumbles over in a damaged one
        raise DataError(f"cannot read {path}: {error}; delete it and run the command again") from error
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(f"{path}: expected a mask of bytes, got {labels.dtype} of shape {labels.shape}")
    return labels


def _ids(path: Path) -> list[str]:
    return [entry.image for entry in read_split(path)]
