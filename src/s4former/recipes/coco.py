"""COCO 2017 (80 things and background), with UniMatch's splits: SETR on DeiT-B, or SegFormer-B4, at 512.

Run      s4former train coco.1_512.s4former --out runs/coco
         1_512 (232 labels), 1_256 (463), 1_128 (925), 1_64 (1,849), 1_32 (3,697); methods supervised,
         mean_teacher, mean_teacher_cutmix, s4former; coco.1_512.segformer.s4former
Expect   not yet measured; 80,000 steps are for a GPU. The release has no COCO config: the settings are those
         of its VOC one
Data     s4former prepare coco; s4former splits fetch unimatch (both --root data)
"""

from __future__ import annotations

from s4former.recipes._baselines import Recipe, published
from s4former.recipes.derived import PUBLISHED

DERIVED = PUBLISHED


def recipes() -> dict[str, Recipe]:
    """Return the recipes by name."""
    splits = ("1_512", "1_256", "1_128", "1_64", "1_32")
    lists = {split: f"unimatch/{split}/{{un}}labeled.txt" for split in splits}
    return published("coco", lists, crop=512, evaluate={"short_side": 512}, steps=80_000)
