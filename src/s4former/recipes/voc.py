"""Pascal VOC 2012 (21 classes), with the published splits: SETR on DeiT-B, or SegFormer-B4, at 512 x 512.

Run      s4former train voc.classic_92.s4former --out runs/voc
         classic_92 to classic_1464: labels from the original 1,464 masks; blended_662 to blended_5291: from
         the 10,582 of SBD too. Methods supervised, mean_teacher, mean_teacher_cutmix, s4former;
         voc.classic_92.segformer.s4former
Expect   not yet measured; 80,000 steps are for a GPU
Data     s4former prepare voc --root data
"""

from __future__ import annotations

from s4former.recipes._baselines import Recipe, published
from s4former.recipes.derived import PUBLISHED

DERIVED = PUBLISHED

_FOLDERS = {
    "classic": ("voc_split_U2PL", (92, 183, 366, 732, 1464)),
    "blended": ("voc_split_CPS", (662, 1323, 2646, 5291)),
}


def recipes() -> dict[str, Recipe]:
    """Return the recipes by name."""
    lists = {
        f"{kind}_{count}": f"{folder}/{count}_train_{{un}}supervised.txt"
        for kind, (folder, counts) in _FOLDERS.items()
        for count in counts
    }
    return published("voc", lists, crop=512, evaluate={"short_side": 512}, steps=80_000)
