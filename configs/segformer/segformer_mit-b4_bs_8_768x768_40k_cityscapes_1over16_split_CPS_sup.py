"""Published: SegFormer-B4 on Cityscapes, 186 labels (1/16), supervised-only; the release's only such config.

As released: 768 x 768 crops, 8 labeled images a step over all processes (4 on each of 2), AdamW 6e-5 with
warm-up and linear decay, heads 10 times faster, 40,000 steps, the head of 256 channels with a batch norm and
a ReLU after each stage's convolution (model.head=segformer_conv), losses at the size of the crop, float32,
and sliding windows of 768 every 512 pixels, scored every 1,000 steps.
We differ: two of its base files, network and data, were not released, so it could not run; the first is taken
from MMSegmentation, the second is as for 1/8. Images keep their 2048 x 1024 pixels (there: 2049 x 1025), and
biases and batch norms do not decay (there: layer norms do not).
"""

from s4former.recipes import load_run
from s4former.recipes.cityscapes import DERIVED as DERIVED  # what follows from options

run, _ = load_run(
    "cityscapes.186.segformer.supervised",
    {"model.pretrained": "pretrain/segformer_mit_b4.pth", "precision": "float32"},
)
