"""Published: S4Former (PatchShuffle, PASA, NCR), Pascal VOC, 92 labels (classic 1/16).

As released: network, schedule and batches of the supervised config, plus 8 unlabeled images a step, EMA
0.999, threshold 0.95, PatchShuffle of 128-pixel blocks, PASA of weight 5, NCR, and the released step's
quirks (method.as_released) and color distortion of both views (method.views.weak=photometric). Set them to
false and identity for what this package does by default; docs/methods/s4former.md has the table.
We differ, since the release is broken here: unlabeled crops use no ground truth, and the teacher starts as
a copy of the student, head included.
"""

from s4former.models.presets import DEIT_FILE
from s4former.recipes import load_run
from s4former.recipes.voc import DERIVED as DERIVED  # what follows from options

run, _ = load_run(
    "voc.classic_92.s4former",
    {
        "model.pretrained": DEIT_FILE,
        "method.views.weak": "photometric",
        "method.as_released": True,
        "precision": "float32",
    },
)
