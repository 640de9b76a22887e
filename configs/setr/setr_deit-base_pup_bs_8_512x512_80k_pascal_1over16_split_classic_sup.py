"""Published: SETR-PUP on DeiT-B, Pascal VOC, 92 labels (classic 1/16), supervised-only.

As released: 512 x 512 crops, 8 labeled images a step over all processes (4 on each of 2), SGD with poly 0.9
and floor 1e-4, heads learn 10 times faster, four auxiliary heads of weight 0.4, scored every 1,150 steps at
short side 512, in float32 (precision=bfloat16 is faster on GPUs). The released schedule has 80,001 steps,
this one 80,000.
We differ: unlabeled images are not read at all (the release loads and drops them).
"""

from s4former.models.presets import DEIT_FILE
from s4former.recipes import load_run
from s4former.recipes.voc import DERIVED as DERIVED  # what follows from options

run, _ = load_run("voc.classic_92.supervised", {"model.pretrained": DEIT_FILE, "precision": "float32"})
