"""Cityscapes (19 classes, 2048 x 1024), with the published splits: SETR on DeiT-B, or SegFormer-B4, at 768.

Run      s4former train cityscapes.186.s4former --out runs/cityscapes
         186 (1/16), 372 (1/8), 744 (1/4), 1488 (1/2) labels; methods supervised, mean_teacher,
         mean_teacher_cutmix, s4former; cityscapes.186.segformer.s4former
Expect   not yet measured; 40,000 steps are for a GPU; scored with sliding windows of 768, 512 apart
Data     s4former prepare cityscapes --root data; for 744 and 1488 s4former splits fetch unimatch
"""

from __future__ import annotations

from s4former.recipes._baselines import Recipe, published
from s4former.recipes.derived import PUBLISHED, Derived

DERIVED = (
    *PUBLISHED,
    Derived("evaluate.crop_size", ("data.crop_size",), lambda run: run.data.crop_size),
    Derived(
        "evaluate.stride", ("data.crop_size",), lambda run: tuple(side * 2 // 3 for side in run.data.crop)
    ),
)

_LISTS = {
    "186": "city_splits_CPS/186_train_{un}supervised.txt",
    "372": "city_splits_CPS/372_train_{un}supervised.txt",
    "744": "unimatch/1_4/{un}labeled.txt",
    "1488": "unimatch/1_2/{un}labeled.txt",
}


def recipes() -> dict[str, Recipe]:
    """Return the recipes by name."""
    protocol = {"mode": "slide", "crop_size": 768, "stride": 512}
    return published("cityscapes", _LISTS, crop=768, evaluate=protocol, steps=40_000, evaluate_every=1000)
