"""Images a second that one core prepares for training, beside a plain torchvision pipeline in the same run.

    python benchmarks/loader.py --out benchmarks/results/loader_MACHINE_DATE.md

Files of the sizes of VOC (JPEG, 500 x 375) and Cityscapes (PNG, 2048 x 1024) are made from smooth noise. Both
sides open a file, resize it by 0.5 to 2, crop, flip, and make one weak and two strong views (color jitter,
grayscale, blur) as float tensors: ours with `TrainBatches`, the other with torchvision's transforms. They
take turns, each in one thread; CPU time is compared, so that other programs matter little.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import v2

from s4former.augment import Views
from s4former.data import DataConfig, TrainBatches, open_source

SIZES = {"VOC": ((500, 375), "jpg", 512), "Cityscapes": ((2048, 1024), "png", 768)}


def write(folder: Path, size: tuple[int, int], ending: str, count: int) -> None:
    """Write a data set whose pictures pack about as well as photographs do."""
    generator = np.random.default_rng(0)
    for kind in ("images/train", "masks/train"):
        (folder / kind).mkdir(parents=True)
    for number in range(count + 1):
        noise = generator.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
        picture.filter(ImageFilter.DETAIL).save(folder / f"images/train/{number:03}.{ending}")
    Image.new("L", size).save(folder / "masks/train/000.png")
    (folder / "classes.json").write_text('{"names": ["a", "b"]}')


def ours(folder: Path, crop: int, count: int) -> Callable[[int], object]:
    """Return what prepares one unlabeled image, of a run that opens each file anew."""
    config = DataConfig(
        root=str(folder), val_images=None, crop_size=crop, cache_images=0, unlabeled_batch_size=count
    )
    views = Views(strong=("jitter", "jitter"))
    batches = TrainBatches(config, open_source(config), views, seed=0)
    from s4former.types import DrawKey

    return lambda number: batches._unlabeled_sample(DrawKey(0, number // count), number % count, {})


def plain(folder: Path, crop: int) -> Callable[[int], object]:
    """Return what prepares one image with torchvision."""
    files = sorted((folder / "images/train").iterdir())[1:]
    tensor = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    geometry = v2.Compose(
        [
            v2.ScaleJitter((crop, crop), (0.5, 2.0)),
            v2.RandomCrop(crop, pad_if_needed=True),
            v2.RandomHorizontalFlip(),
        ]
    )
    strong = v2.Compose(
        [
            v2.RandomApply([v2.ColorJitter(0.5, 0.5, 0.5, 0.25)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(9, (0.1, 2.0))], p=0.5),
        ]
    )

    def prepare(number: int) -> list[torch.Tensor]:
        with Image.open(files[number % len(files)]) as picture:
            view = geometry(picture.convert("RGB"))
        return [tensor(view), tensor(strong(view)), tensor(strong(view))]

    return prepare


def rates(sides: dict[str, Callable[[int], object]], images: int, rounds: int) -> dict[str, float]:
    """Return the images that each side prepares in a second of CPU time: the median over rounds."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(rounds + 1):
        for name, prepare in sides.items():
            start = time.process_time()
            for number in range(images):
                prepare(number)
            if round_:  # the first one warms up
                found[name].append(images / (time.process_time() - start))
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Measure, print and write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--images", type=int, default=24, help="a round")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    torch.set_num_threads(1)
    lines = [
        "| files | crop | s4former, images/s a core | torchvision, images/s a core | ratio |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, (size, ending, crop) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), size, ending, given.images)
            sides = {"ours": ours(Path(folder), crop, given.images), "plain": plain(Path(folder), crop)}
            found = rates(sides, given.images, given.rounds)
        ratio = found["ours"] / found["plain"]
        lines.append(
            f"| {name}, {size[0]} x {size[1]} {ending} | {crop} | {found['ours']:.1f} | {found['plain']:.1f} "
            f"| {ratio:.2f} |"
        )
    print("\n".join(lines))
    if given.out:
        title = f"# Loader\n\nMedians of {given.rounds} rounds of {given.images} images, one thread, torch "
        given.out.write_text(
            f"{title}{torch.__version__}; see benchmarks/loader.py.\n\n" + "\n".join(lines) + "\n"
        )


if __name__ == "__main__":
    main()
