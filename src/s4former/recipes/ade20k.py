"""ADE20K (150 classes), with UniMatch V2's splits: SETR on DeiT-B, or SegFormer-B4, at 512 x 512.

Run      s4former train ade20k.1_64.s4former --out runs/ade20k
         1_64 (316 labels), 1_32 (631), 1_16 (1,263), 1_8 (2,526), 1_4 (5,052), 1_2 (10,105); methods
         supervised, mean_teacher, mean_teacher_cutmix, s4former; ade20k.1_64.segformer.s4former
Expect   not yet measured; 80,000 steps are for a GPU. The release has no ADE20K config: the settings are
         those of its VOC one, while UniMatch V2 trains with crops of 518 and scores at the images' own size
Data     s4former prepare ade20k; s4former splits fetch unimatch_v2 (both --root data)
"""

from __future__ import annotations

from s4former.recipes._baselines import Recipe, published
from s4former.recipes.derived import PUBLISHED

DERIVED = PUBLISHED


def recipes() -> dict[str, Recipe]:
    """Return the recipes by name."""
    splits = ("1_64", "1_32", "1_16", "1_8", "1_4", "1_2")
    lists = {split: f"unimatch_v2/{split}/{{un}}labeled.txt" for split in splits}
    return published("ade20k", lists, crop=512, evaluate={"short_side": 512}, steps=80_000)
