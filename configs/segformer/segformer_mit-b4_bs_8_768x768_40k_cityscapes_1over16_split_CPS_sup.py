"""Published: SegFormer-B4 on Cityscapes, 186 labels (1/16), supervised-only; the release's only such config.

As released: 768 x 768 crops, AdamW 6e-5 with warm-up and linear decay, heads 10 times faster, 40,000 steps,
sliding windows of 768 every 512 pixels. Its base files were not released: it could not run.
"""

from s4former.recipes import load_run

run, _ = load_run(
    "cityscapes.186.segformer.supervised", {"model.pretrained": "pretrain/segformer_mit_b4.pth"}
)
