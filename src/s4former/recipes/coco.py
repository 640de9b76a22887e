"""COCO 2017 (80 things and background), with UniMatch's splits: SETR on DeiT-B, or SegFormer-B4, at 512.

Run      s4former train coco.1_512.s4former --out runs/coco
         1_512 (232 labels), 1_256 (463), 1_128 (925), 1_64 (1,849), 1_32 (3,697); methods supervised,
         mean_teacher, mean_teacher_cutmix, s4former; coco.1_512.segformer.s4former
Expect   not yet measured; 80,000 steps are for a GPU. The release has no COCO config: the settings are those
         of its VOC one
Data     s4former prepare coco; s4former splits fetch unimatch (both --root data)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.data.config import DataConfig
from s4former.recipes._baselines import MethodName, Network, Recipe, family
from s4former.recipes.derived import PUBLISHED

if TYPE_CHECKING:
    from s4former.engine.run import Run

DERIVED = PUBLISHED

_SPLITS = ("1_512", "1_256", "1_128", "1_64", "1_32")


def recipes() -> dict[str, Recipe]:
    """Return the recipes by name."""
    return family(_SPLITS, coco_run)


def coco_run(split: str, network: Network = "setr", method: MethodName = "s4former") -> Run:
    """Return the run of a split, as in ``1_512``."""
    from s4former.recipes._published import published_run

    return published_run(coco_data(split), {"short_side": 512}, network=network, method=method, steps=80_000)


def coco_data(split: str) -> DataConfig:
    """Return COCO with masks made from its instances, and the lists of a split."""
    return DataConfig(
        root="data/coco",
        classes="coco",
        train_images="train2017",
        train_masks="masks/train2017",
        labeled_split=f"datasplits/unimatch/{split}/labeled.txt",
        unlabeled_split=f"datasplits/unimatch/{split}/unlabeled.txt",
        val_images="val2017",
        val_masks="masks/val2017",
        test_images=None,
        crop_size=512,
        short_side=512,
    )
