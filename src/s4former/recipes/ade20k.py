"""ADE20K (150 classes), with UniMatch V2's splits: SETR on DeiT-B, or SegFormer-B4, at 512 x 512.

Run      s4former train ade20k.1_64.s4former --out runs/ade20k
         1_64 (316 labels), 1_32 (631), 1_16 (1,263), 1_8 (2,526), 1_4 (5,052), 1_2 (10,105); methods
         supervised, mean_teacher, mean_teacher_cutmix, s4former; ade20k.1_64.segformer.s4former
Expect   not yet measured; 80,000 steps are for a GPU. The release has no ADE20K config: the settings are
         those of its VOC one, while UniMatch V2 trains with crops of 518 and scores at the images' own size
Data     s4former prepare ade20k; s4former splits fetch unimatch_v2 (both --root data)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.data.config import DataConfig
from s4former.recipes._baselines import MethodName, Network, Recipe, family
from s4former.recipes.derived import PUBLISHED

if TYPE_CHECKING:
    from s4former.engine.run import Run

DERIVED = PUBLISHED

_SPLITS = ("1_64", "1_32", "1_16", "1_8", "1_4", "1_2")


def recipes() -> dict[str, Recipe]:
    """Return the recipes by name."""
    return family(_SPLITS, ade20k_run)


def ade20k_run(split: str, network: Network = "setr", method: MethodName = "s4former") -> Run:
    """Return the run of a split, as in ``1_64``."""
    from s4former.recipes._published import published_run

    return published_run(
        ade20k_data(split), {"short_side": 512}, network=network, method=method, steps=80_000
    )


def ade20k_data(split: str) -> DataConfig:
    """Return ADE20K with masks that start at 0, and the lists of a split."""
    return DataConfig(
        root="data/ade/ADEChallengeData2016",
        classes="ade20k",
        train_images="images/training",
        train_masks="masks/training",
        labeled_split=f"datasplits/unimatch_v2/{split}/labeled.txt",
        unlabeled_split=f"datasplits/unimatch_v2/{split}/unlabeled.txt",
        val_images="images/validation",
        val_masks="masks/validation",
        test_images=None,
        crop_size=512,
        short_side=512,
    )
