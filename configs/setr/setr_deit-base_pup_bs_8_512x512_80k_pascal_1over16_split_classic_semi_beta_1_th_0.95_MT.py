"""Published: the mean teacher baseline, Pascal VOC, 92 labels (classic 1/16).

As released: network, schedule and batches of the supervised config, plus 8 unlabeled images a step, EMA
0.999, threshold 0.95, unlabeled weight 1, no CutMix, and color distortion of both views
(method.views.weak=identity: geometry only).
We differ, since the release is broken here: its config of this name trains no unlabeled loss at all, at
learning rate 0.01; this one trains one, at the 0.001 of the other two. Unlabeled crops use no ground truth,
and the teacher starts as a copy of the student.
"""

from s4former.models.presets import DEIT_FILE
from s4former.recipes import load_run
from s4former.recipes.voc import DERIVED as DERIVED  # what follows from options

run, _ = load_run(
    "voc.classic_92.mean_teacher",
    {"model.pretrained": DEIT_FILE, "method.views.weak": "photometric", "precision": "float32"},
)
