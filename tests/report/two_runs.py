"""Two tiny runs on one data set whose names are of the worst kind, for reports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from s4former.engine import train
from tiny_run import make_data, tiny_run

NAMES = ["<script>alert(1)</script>", 'a"b&c', "disk $x_1$"]
KINDS = ("weak", "teacher", "kept", "uncertainty", "strong")


def two_runs(root: Path) -> tuple[Path, Path]:
    """Train supervised and S4Former for six steps; return their folders, the supervised one first."""
    data = make_data(root / "data", train=5, val=7)
    (data / "classes.json").write_text(json.dumps({"names": NAMES}))
    folders = root / "supervised", root / "semi <b>"
    for folder, method in zip(folders, ("supervised", "s4former"), strict=True):
        changes = {"method.name": method, "save_every": 0}
        train(tiny_run(data).model_copy() if method == "s4former" else tiny_run(data, changes), folder)
    draw_pseudo_labels(folders[1])
    return folders


def draw_pseudo_labels(run: Path) -> None:
    """Write pictures of an unlabeled image as a run does, of two steps; one file is broken."""
    place = run / "panels" / "unlabeled"
    shutil.rmtree(place)  # what the run itself drew
    place.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    for step in (3, 6):
        for kind in KINDS:
            Image.fromarray(pixels).save(place / f"{step:06d}_0_{kind}.png")
    (place / "000003_0_strong.png").write_bytes(b"no picture")
    entry = {"row": 0, "image": "images/<img src=x onerror=alert(2)>", "kinds": [*KINDS, "../../x"]}
    (place / "index.json").write_text(json.dumps([{"step": 3, **entry}, {"step": 6, **entry}, {"step": "x"}]))
