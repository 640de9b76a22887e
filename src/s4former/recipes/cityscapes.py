"""Cityscapes (19 classes, 2048 x 1024), with the published splits: SETR on DeiT-B, or SegFormer-B4, at 768.

Run      s4former train cityscapes.186.s4former --out runs/cityscapes
         186 (1/16), 372 (1/8), 744 (1/4), 1488 (1/2) labels; methods supervised, mean_teacher,
         mean_teacher_cutmix, s4former; cityscapes.186.segformer.s4former
Expect   not yet measured; 40,000 steps are for a GPU; scored with sliding windows of 768, 512 apart
Data     s4former prepare cityscapes --root data; for 744 and 1488 s4former splits fetch unimatch
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.data.config import DataConfig
from s4former.recipes._baselines import MethodName, Network, Recipe, family
from s4former.recipes.derived import PUBLISHED, Derived

if TYPE_CHECKING:
    from s4former.engine.run import Run

_LISTS = {
    "186": ("city_splits_CPS/186_train_supervised.txt", "city_splits_CPS/186_train_unsupervised.txt"),
    "372": ("city_splits_CPS/372_train_supervised.txt", "city_splits_CPS/372_train_unsupervised.txt"),
    "744": ("unimatch/1_4/labeled.txt", "unimatch/1_4/unlabeled.txt"),
    "1488": ("unimatch/1_2/labeled.txt", "unimatch/1_2/unlabeled.txt"),
}


DERIVED = (
    *PUBLISHED,
    Derived("evaluate.crop_size", ("data.crop_size",), lambda run: run.data.crop_size),
    Derived(
        "evaluate.stride", ("data.crop_size",), lambda run: tuple(side * 2 // 3 for side in run.data.crop)
    ),
)


def recipes() -> dict[str, Recipe]:
    """Return the recipes by name."""
    return family(_LISTS, cityscapes_run)


def cityscapes_run(split: str, network: Network = "setr", method: MethodName = "s4former") -> Run:
    """Return the run of a split, as in ``186``."""
    from s4former.recipes._published import published_run

    return published_run(
        cityscapes_data(split),
        {"mode": "slide", "crop_size": 768, "stride": 512},
        network=network,
        method=method,
        steps=40_000,
        evaluate_every=1000,
    )


def cityscapes_data(split: str) -> DataConfig:
    """Return Cityscapes in its own layout, with train ids, and the lists of a split."""
    labeled, unlabeled = _LISTS[split]
    return DataConfig(
        root="data/cityscapes",
        classes="cityscapes",
        train_images="leftImg8bit/train",
        train_masks="gtFine/train",
        image_suffix="_leftImg8bit",
        mask_suffix="_gtFine_labelTrainIds",
        labeled_split=f"datasplits/{labeled}",
        unlabeled_split=f"datasplits/{unlabeled}",
        val_images="leftImg8bit/val",
        val_masks="gtFine/val",
        test_images=None,
        crop_size=768,
    )
