"""All commands that write, with a small world to run them in: what to type, and what they write."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from authors_names import to_authors
from s4former.curation.shards import make_shards
from s4former.data import PUBLISHERS
from s4former.engine import train
from s4former.models import build_segmenter
from tiny_run import make_data, tiny_run

import torch  # isort: skip

WRITES: dict[str, tuple[str, tuple[str, ...]]] = {
    "predict": (
        "predict run photos --out out --confidence",
        ("out/p0.png", "out/p1_overlay.png", "out/p2_confidence.png"),
    ),
    "check": ("check run.yaml --html page.html", ("page.html",)),
    "init": (
        "init data/images/train --masks data/masks/train --val 0.5 --out d.yaml",
        ("d.yaml", "d_val.txt"),
    ),
    "init again": (
        "init data/images/train --masks data/masks/train --val 0.5 --out d.yaml --force",
        ("d.yaml", "d_val.txt", "data/masks/train/train0.png=d.yaml", "run.yaml=d.yaml"),
    ),
    "convert": ("convert weights.pth w.safetensors --force", ("w.safetensors",)),
    "splits make": (
        "splits make data --labeled 1 --out lists",
        ("lists/labeled.txt", "lists/unlabeled.txt", "lists/split.json"),
    ),
    "shards make": (
        "shards make photos --out packed",
        ("packed/photos-000000.tar", "packed/photos-000000.tar.index"),
    ),
    "splits fetch": (
        "splits fetch s4former --root .",
        (PUBLISHERS["s4former"].lists[0].target,),
    ),
    "prepare": ("prepare camvid --root sets", ("sets/camvid.png",)),
    "train": ("train run.yaml --out new", ("new/notes.txt", "new/run.json", "new/splits/labeled.txt")),
    "compare": (
        "compare run.yaml --methods supervised --seeds 0 --out cmp",
        ("cmp/results.json", "cmp/results.md", "cmp/results.png"),
    ),
    "demo": (
        "demo --out demo",
        ("demo/panel.png", "demo/curves.png", "demo/scenes/scene-10000.png", "demo/supervised/notes.txt"),
    ),
    "report": ("report run --quick --out report.html", ("report.html",)),
    "export": ("export run --size 32x32 --out net.onnx", ("net.onnx",)),
    "label": (
        "label run photos --out labels --next 1",
        (
            # a mask in masks/ would be a person's, and is kept
            "labels/dataset.yaml",
            "labels/coco.json",
            "labels/next.csv",
            "labels/next.png",
        ),
    ),
    "tools/train.py": ("run.yaml --work-dir work", ("work/notes.txt", "work/model/model.json")),
    "tools/test.py": (
        "run.yaml run --out masks --show-dir shown --work-dir work",
        ("masks/val0.png", "shown/val1.png", "work/scores.json"),
    ),
    "tools/test.py, scores": ("run.yaml run --out scores.json", ("scores.json",)),
}
"""What to type, and files in its way; ``a=b`` stands for a file ``a`` given in place of ``b``."""


def make_world(root: Path) -> None:
    """Write a folder of data, photographs, a trained run and a weight file."""
    data = make_data(root / "data")
    (root / "run.yaml").write_text(yaml.safe_dump(tiny_run(Path("data")).model_dump(mode="json")))
    train(tiny_run(data, {"steps": 1, "evaluate_every": 0}), root / "run")
    record = json.loads((root / "run/run.json").read_text())
    record["run"]["data"]["root"] = "data"
    (root / "run/run.json").write_text(json.dumps(record))
    make_photos(root / "photos", 3)
    make_shards(root / "photos", root / "shards", 10**6)
    network = build_segmenter(tiny_run(data).model, 3, seed=1)
    state = {to_authors(name): value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state}, root / "weights.pth")


def make_photos(folder: Path, count: int) -> None:
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(count):
        pixels = generator.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")


def sums(folder: Path) -> dict[str, str]:
    """Return a checksum of each file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
