"""How a backbone can be tuned: what a step costs, and at which rate a linear probe of frozen features learns.

    python benchmarks/tuning.py cost
    python benchmarks/tuning.py probe --data ../shared/datasets/msrc21 --labels splits/21_draw0/labeled.txt \
        --weights ../shared/weights/dinov2_vits14.safetensors --norm layer --rates 1e-3 1e-2

``cost`` gives CPU seconds of a step of 4 labeled (and 4 unlabeled) crops of 168 pixels by the tuning mode,
and those of encoding the weak views: what keeping their features could save at most, if crops came back.

``probe`` trains the linear head alone on features that are encoded once: those of so many batches, in turn.
The head learns at each rate for so many steps of AdamW; mean IoU is that of val, images in one piece.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from s4former.curation import open_source
from s4former.data import DataConfig, TrainBatches, evaluation_pairs
from s4former.methods import METHODS
from s4former.models import ModelConfig, ViTSegmenter, build_segmenter, faster_on_cpu
from s4former.models.heads.configs.linear import LinearConfig
from s4former.ops import Scores, cross_entropy, poly, resize_bilinear
from s4former.ops import count_pixels as count_pixels_of
from s4former.ops.confusion import count_pixels
from s4former.testing import learn
from s4former.types import IGNORE, Batch, DrawKey, LabeledBatch, UnlabeledBatch

CROP, IMAGES, CLASSES = 168, 4, 21
MODES = {
    "all blocks": {},
    "last 6 blocks": {"frozen_blocks": 6},
    "LoRA of rank 8": {"lora": {"rank": 8}},
    "frozen": {"frozen_blocks": "all"},
}
Pair = tuple[tuple[Tensor, ...], Tensor]


def network(weights: str = "none", **changes: object) -> ViTSegmenter:
    """Return a ViT-S/14 with a linear head on its last block."""
    backbone = {"name": "vit_small_patch14_dinov2"}
    fields = {"backbone": backbone, "pretrained": weights, "head": "linear"}
    made = build_segmenter(ModelConfig.model_validate(fields | changes), CLASSES, seed=0)
    faster_on_cpu(made)
    return made


def cpu_seconds(act: Callable[[], object], times: int = 3) -> float:
    """Return the CPU time of an action; a busy machine changes it little."""
    act()
    start = time.process_time()
    for _ in range(times):
        act()
    return (time.process_time() - start) / times


def cost(console: Console) -> None:
    """Print what a step costs by tuning mode."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, IMAGES, 3, CROP, CROP, generator=generator)
    labels = torch.randint(0, CLASSES, (IMAGES, CROP, CROP), generator=generator, dtype=torch.uint8)
    valid = torch.ones_like(labels, dtype=torch.bool)
    unlabeled = UnlabeledBatch(images[1], (images[2],), valid)
    batch = Batch(LabeledBatch(images[0], labels, valid), unlabeled, DrawKey(0, 0))
    console.print("| tuned | parameters | supervised step | mean teacher step | of it encoding weak views |")
    console.print("|---|---|---|---|---|")
    for name, changes in MODES.items():
        student = network(**changes)
        supervised = METHODS.parse("supervised").build(student).train()
        method = METHODS.parse({"name": "mean_teacher", "confidence_threshold": 0.0}).build(student).train()
        trained = sum(p.numel() for group in student.parameter_groups().values() for p in group)
        with torch.no_grad():
            weak = cpu_seconds(lambda method=method: method.teacher.network.encode(images[1]))
        steps = [cpu_seconds(lambda one=one: learn(one, batch)) for one in (supervised, method)]
        console.print(f"| {name} | {trained:,} | {steps[0]:.2f} s | {steps[1]:.2f} s | {weak:.2f} s |")


def probe(console: Console, args: argparse.Namespace) -> None:
    """Print the mean IoU that a probe reaches at each rate."""
    data = DataConfig(root=args.data, labeled_split=args.labels, crop_size=CROP, labeled_batch_size=IMAGES)
    source = open_source(data)
    encoder = network(args.weights, head={"name": "linear", "norm": args.norm}).eval()
    batches = TrainBatches(data, source, METHODS.parse("supervised").views, 0)
    with torch.no_grad():
        train = [encoded(encoder, batches.batch(step).labeled) for step in range(args.batches)]
        pairs = itertools.islice(evaluation_pairs(source, "val"), args.images)
        val = [encoded(encoder, whole(encoder, image, mask)) for _, image, mask in pairs]
    for rate in args.rates:
        head = learned(encoder, train, rate, args)
        counts = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
        with torch.no_grad():
            for grids, mask in val:
                size = (mask.shape[-2], mask.shape[-1])
                counts += count_pixels(head(grids, size).argmax(1), mask, CLASSES)[0]
        console.print(f"{args.norm} norm, rate {rate:g}: {100 * Scores.from_matrix(counts).miou:.1f} mIoU")


def whole(encoder: ViTSegmenter, image: np.ndarray, mask: np.ndarray) -> LabeledBatch:
    """Return a whole image as a batch, resized to whole patches; its mask keeps its size."""
    patch = encoder.patch_size
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    size = [round(side / patch) * patch for side in pixels.shape[-2:]]
    labels = torch.from_numpy(mask.copy())[None]
    return LabeledBatch(resize_bilinear(pixels, (size[0], size[1])), labels, labels != IGNORE)


def encoded(encoder: ViTSegmenter, batch: LabeledBatch) -> Pair:
    """Return the features of a batch, and its labels."""
    return encoder.encode(batch.images), batch.labels


def learned(encoder: ViTSegmenter, train: list[Pair], rate: float, args: argparse.Namespace) -> nn.Module:
    """Return a head that has learned from features."""
    torch.manual_seed(0)
    head = LinearConfig(norm=args.norm).build(encoder.backbone.widths, CLASSES).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=0.01)
    for step in range(args.steps):
        optimizer.param_groups[0]["lr"] = poly(step, args.steps, rate, 0.0, 0.9)
        grids, labels = train[step % len(train)]
        logits = head(grids, (labels.shape[-2], labels.shape[-1]))
        optimizer.zero_grad()
        cross_entropy(logits, labels, count_pixels_of(labels, "labeled")).backward()
        optimizer.step()
    return head.eval()


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("cost")
    probing = commands.add_parser("probe")
    probing.add_argument("--data", required=True, help="a folder of MSRC-21")
    probing.add_argument("--labels", default="splits/21_draw0/labeled.txt", help="which images are labeled")
    probing.add_argument("--weights", required=True, help="weights of a ViT-S/14")
    probing.add_argument("--norm", choices=("layer", "batch"), default="layer")
    probing.add_argument("--rates", type=float, nargs="+", default=[5e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1])
    probing.add_argument("--batches", type=int, default=45, help="batches of 4 crops that are encoded")
    probing.add_argument("--steps", type=int, default=300)
    probing.add_argument("--images", type=int, default=None, help="of val; all by default")
    args = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=200)  # a line of a table is never wrapped
    if args.command == "cost":
        cost(console)
    else:
        probe(console, args)


if __name__ == "__main__":
    main()
