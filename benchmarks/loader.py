"""Images a second that one core prepares for training, beside plain torchvision pipelines in the same run.

    python benchmarks/loader.py --out benchmarks/results/loader_MACHINE_DATE.md

Files of the sizes of VOC (JPEG, 500 x 375) and Cityscapes (PNG, 2048 x 1024) are made from smooth noise. Both
sides make batches of 4: an image is resized by 0.5 to 2, cropped, flipped, and becomes a weak and two strong
views (color jitter, grayscale, blur) in float tensors; ours with `TrainBatches`, the others with transforms
of torchvision on PIL pictures. All ways take turns in one thread; CPU time is compared, so that other
programs matter little. Decoding bounds any pipeline, so it is timed alone, and some rows keep decoded images
in memory on both sides. ScaleJitter is what results/loader_before_*.md compared with: its factors refer to
the crop, so it resizes Cityscapes by 0.19 to 0.75 only, and much of a crop is padding.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms import v2

from s4former.augment import Views
from s4former.config import versions
from s4former.config.record import hardware
from s4former.data import DataConfig, TrainBatches, decode_image, open_source
from s4former.data.crops import Crops
from s4former.engine import Run, read_lines, train
from s4former.types import DrawKey
from taking_turns import seconds_of

SIZES = {"VOC": ((500, 375), "jpg", 512), "Cityscapes": ((2048, 1024), "png", 768)}
BATCH = 4
VIEWS = Views(strong=("jitter", "jitter"))
RATES = ("images a second and core", "s4former", "crops alone", "torchvision", "with ScaleJitter")
RATIOS = ("ratio", "to ScaleJitter")
BOUNDS = ("", "ms to decode, s4former", "torchvision", "bound of the ratio")
BESIDE = ("MB an image, views", "crops alone", "data_wait")
NOTE = """\
"Crops alone" is what a worker does for a GPU, which makes the views itself; "kept": images were decoded
before, on both sides. Ratios are our rate, views included, to torchvision's. The bound is that of a pipeline
that does nothing but decode as ours does. `data_wait`: of a ViT-S that trains on this core, 1 + 1 images a
step, without workers."""


def write(folder: Path, size: tuple[int, int], ending: str, images: int) -> None:
    """Write a data set whose pictures pack about as well as photographs do."""
    generator = np.random.default_rng(0)
    for kind in ("images/train", "masks/train"):
        (folder / kind).mkdir(parents=True)
    for number in range(images + 1):
        noise = generator.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
        picture.filter(ImageFilter.DETAIL).save(folder / f"images/train/{number:03}.{ending}")
    Image.new("L", size).save(folder / "masks/train/000.png")
    (folder / "classes.json").write_text('{"names": ["a", "b"]}')


def ours(folder: Path, crop: int, kept: bool) -> TrainBatches:
    """Return our batches."""
    config = DataConfig(
        root=str(folder),
        val_images=None,
        crop_size=crop,
        cache_images=4096 if kept else 0,
        unlabeled_batch_size=BATCH,
    )
    return TrainBatches(config, open_source(config), VIEWS, seed=0)


def plain(files: Sequence[Path], crop: int, resize: v2.Transform, kept: bool) -> Callable[[], list[Tensor]]:
    """Return what prepares a batch with torchvision."""
    places = count()
    pictures = {file: opened(file) for file in files} if kept else {}
    tensor = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    geometry = v2.Compose([resize, v2.RandomCrop(crop, pad_if_needed=True), v2.RandomHorizontalFlip()])
    strong = v2.Compose(
        [
            v2.RandomApply([v2.ColorJitter(0.5, 0.5, 0.5, 0.25)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(9, (0.1, 2.0))], p=0.5),
        ]
    )

    def views() -> Iterator[Tensor]:
        file = files[next(places) % len(files)]
        weak = geometry(pictures.get(file) or opened(file))
        for view in (weak, strong(weak), strong(weak)):
            yield tensor(view)

    return lambda: [torch.stack(view) for view in zip(*(views() for _ in range(BATCH)), strict=True)]


def opened(file: Path) -> Image.Image:
    """Open a picture as torchvision's own data sets do."""
    with Image.open(file) as picture:
        return picture.convert("RGB")


def ways(folder: Path, short: int, crop: int, kept: bool) -> dict[str, Callable[[], object]]:
    """Return the ways to prepare a batch, and to decode as many files."""
    files, batches, steps = sorted((folder / "images/train").iterdir())[1:], ours(folder, crop, kept), count()
    some = files[:BATCH]

    def crops() -> Crops:
        return batches.unlabeled_crops(DrawKey(0, next(steps)), {})

    return {
        "views": lambda: crops().make_views(),
        "crops": crops,
        "torchvision": plain(files, crop, v2.RandomResize(short // 2, 2 * short), kept),
        "ScaleJitter": plain(files, crop, v2.ScaleJitter((crop, crop), (0.5, 2.0)), kept),
        "decoding": lambda: [decode_image(file) for file in some],
        "their decoding": lambda: [opened(file) for file in some],
    }


def milliseconds(calls: dict[str, Callable[[], object]], images: int, rounds: int) -> dict[str, float]:
    """Return what each way takes for an image."""
    batches = images // BATCH
    spent = seconds_of({name: partial(repeat, call, batches) for name, call in calls.items()}, rounds)
    return {name: 1000 * seconds / (batches * BATCH) for name, seconds in spent.items()}


def repeat(call: Callable[[], object], times: int) -> None:
    """Call several times."""
    for _ in range(times):
        call()


def megabytes(batches: TrainBatches) -> list[float]:
    """Return what travels from a worker for an unlabeled image: with its views, and without."""
    crops = batches.unlabeled_crops(DrawKey(0, 0), {})
    views = sum(view.nbytes for view in crops.make_views())
    return [(pixels + crops.valid.nbytes) / BATCH / 1e6 for pixels in (views, crops.pixels.nbytes)]


def waits(folder: Path, crop: int, steps: int) -> float:
    """Return the share of its time that training a ViT-S (1 + 1 images a step) waits for batches."""
    vit = {"name": "vit", "image_size": [crop, crop], "embed_dim": 384, "num_heads": 6}
    run = Run.model_validate(
        {
            "steps": steps,
            "log_every": steps,
            "evaluate_every": 0,
            "save_every": 0,
            "threads": 1,
            "device": "cpu",
            "data": {
                "root": str(folder),
                "val_images": None,
                "crop_size": crop,
                "cache_images": 0,
                "labeled_batch_size": 1,
                "unlabeled_batch_size": 1,
            },
            "model": {"backbone": vit, "pretrained": "none", "head": "linear"},
            "method": {"name": "mean_teacher", "views": {"strong": ["jitter"]}},
        }
    )
    train(run, folder / "run")
    return float(list(read_lines(folder / "run" / "journal.jsonl"))[-1]["data_wait"])


def measured(name: str, images: int, rounds: int, steps: int) -> tuple[list[str], str]:
    """Return the rows of the two tables for one kind of files."""
    (size, ending, crop), rates = SIZES[name], list[str]()
    with tempfile.TemporaryDirectory() as temporary:
        folder, what = Path(temporary), f"{name}, {size[0]} x {size[1]} {ending}, crop {crop}"
        write(folder, size, ending, images)
        for kept in (True, False):
            ms = milliseconds(ways(folder, min(size), crop, kept), images, rounds)
            found = [f"{1000 / ms[way]:.1f}" for way in ("views", "crops", "torchvision", "ScaleJitter")]
            found += [f"{ms[way] / ms['views']:.2f}" for way in ("torchvision", "ScaleJitter")]
            rates.insert(0, row([f"{what}, kept" if kept else what, *found]))
        bound = [ms["decoding"], ms["their decoding"], ms["torchvision"] / ms["decoding"]]
        travels = [f"{each:.2f}" for each in megabytes(ours(folder, crop, kept=False))]
        beside = [*travels, f"{waits(folder, crop, steps):.3f}"]
    return rates, row([what, *(f"{each:.1f}" for each in bound), *beside])


def row(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def table(header: Sequence[str], rows: Sequence[str]) -> str:
    """Return a table."""
    return "\n".join([row(header), f"|---{'|---:' * (len(header) - 1)}|", *rows])


def main() -> None:
    """Measure, print and write the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--images", type=int, default=24, help="a round")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--steps", type=int, default=3, help="of training, for data_wait")
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rates, bounds = list[str](), list[str]()
    for name in SIZES:
        more, bound = measured(name, given.images, given.rounds, given.steps)
        rates, bounds = [*rates, *more], [*bounds, bound]
    tables = table((*RATES, *RATIOS), rates), table((*BOUNDS, *BESIDE), bounds)
    about = f"Medians of {given.rounds} rounds of {given.images} images; `benchmarks/loader.py`."
    facts = ", ".join(f"{name} {value}" for name, value in {**hardware(), **versions()}.items())
    text = "\n\n".join(["# Loader: images a second that one core prepares", about, *tables, NOTE, facts])
    print(text)
    if given.out:
        given.out.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
