"""Pascal VOC 2012 (21 classes), with the published splits: SETR on DeiT-B, or SegFormer-B4, at 512 x 512.

Run      s4former train voc.classic_92.s4former --out runs/voc
         classic_92 to classic_1464: labels from the original 1,464 masks; blended_662 to blended_5291: from
         the 10,582 of SBD too. Methods supervised, mean_teacher, mean_teacher_cutmix, s4former;
         voc.classic_92.segformer.s4former
Expect   not yet measured; 80,000 steps are for a GPU
Data     s4former prepare voc --root data
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.data.config import DataConfig
from s4former.recipes._baselines import MethodName, Network, Recipe, family
from s4former.recipes.derived import PUBLISHED

if TYPE_CHECKING:
    from s4former.engine.run import Run

DERIVED = PUBLISHED

_FOLDERS = {"classic": "voc_split_U2PL", "blended": "voc_split_CPS"}
_SPLITS = (
    *(f"classic_{n}" for n in (92, 183, 366, 732, 1464)),
    *(f"blended_{n}" for n in (662, 1323, 2646, 5291)),
)


def recipes() -> dict[str, Recipe]:
    """Return the recipes by name."""
    return family(_SPLITS, voc_run)


def voc_run(split: str, network: Network = "setr", method: MethodName = "s4former") -> Run:
    """Return the run of a split, as in ``classic_92``."""
    from s4former.recipes._published import published_run

    return published_run(voc_data(split), {"short_side": 512}, network=network, method=method, steps=80_000)


def voc_data(split: str) -> DataConfig:
    """Return VOC 2012 in its own layout, with the lists of a split."""
    kind, count = split.split("_")
    lists = f"datasplits/{_FOLDERS[kind]}/{count}_train"
    return DataConfig(
        root="data/VOCdevkit/VOC2012",
        classes="voc",
        train_images="JPEGImages",
        train_masks="SegmentationClassAug",
        labeled_split=f"{lists}_supervised.txt",
        unlabeled_split=f"{lists}_unsupervised.txt",
        val_images="JPEGImages",
        val_masks="SegmentationClass",
        val_split="ImageSets/Segmentation/val.txt",
        test_images=None,
        crop_size=512,
        short_side=512,
    )
