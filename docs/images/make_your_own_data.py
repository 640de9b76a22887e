"""Makes the pictures of ``docs/your_own_data.md``: draws practice data, trains on it, predicts.

    python docs/images/make_your_own_data.py practice --pretrained FILE

writes ``cells_*.png`` beside this script. ``practice`` keeps the data and the run, so that a second call only
draws. FILE holds weights for ``vit_small_patch14_dinov2``; without it they are downloaded.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from make_cells import make_cells
from PIL import Image

import s4former
from s4former.data.config import DataConfig
from s4former.data.sources import open_source
from s4former.report.figures import colorize, panel
from s4former.report.sheets import overlay

STEPS = 300


def main() -> None:
    """Draw, train and make the pictures."""
    parser = argparse.ArgumentParser(description="Make the pictures of docs/your_own_data.md.")
    parser.add_argument("folder", type=Path, help="for the practice data and the run")
    parser.add_argument("--pretrained", default="hub", help="weights for vit_small_patch14_dinov2")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="for the pictures")
    options = parser.parse_args()
    data: Path = options.folder / "dataset.yaml"
    if not data.exists():
        make_cells(options.folder)
        init = ["init", options.folder / "photos", "--masks", options.folder / "masks", "--out", data]
        subprocess.run([sys.executable, "-m", "s4former", *init], check=True)
    changes = [f"steps={STEPS}", f"evaluate_every={STEPS // 3}", f"model.pretrained={options.pretrained}"]
    run = s4former.train(data, changes, out=options.folder / "runs" / "cells", resume=True).folder
    for picture in (
        draw_data(options.folder, options.out),
        draw_prediction(data, run, options.out),
        draw_soft_edges(options.folder / "masks" / "dish_01.png", options.out),
    ):
        print(save_small(picture))


def draw_data(folder: Path, out: Path) -> Path:
    """Show what somebody starts from: a photograph with its mask, and some without."""
    ids = [f"dish_{number:02}" for number in (1, 2, 11, 12)]
    photos = [_read(folder / "photos" / f"{id}.jpg") for id in ids]
    masks = [_read(folder / "masks" / f"{id}.png") for id in ids[:2]]
    nothing = np.full_like(photos[0], 255)
    rows = [("photos", photos), ("masks", [*masks, nothing, nothing])]
    return panel(rows, ids, out / "cells_data.png")


def draw_prediction(data: Path, run: Path, out: Path) -> Path:
    """Show held-out photographs, their masks, and what the model says."""
    source = open_source(DataConfig(source="dataset", root=str(data.parent), dataset=data.name))
    model, colors = s4former.load(run), source.classes.colors
    rows = []
    for id in source.val:
        image, mask = source.read_image(id, "val"), source.read_mask(id, "val")
        said = model.predict(image).mask
        pictures = (image, colorize(mask, colors), colorize(said, colors), overlay(image, said, colors))
        rows.append(("", pictures))
    columns = ["a held-out photo", "its mask", "prediction", "prediction on top"]
    return panel(rows, columns, out / "cells_prediction.png")


def draw_soft_edges(mask: Path, out: Path) -> Path:
    """Show a corner of a mask as drawn, and after it was resized with smoothing and back."""
    drawn = Image.open(mask)
    half = (drawn.width // 2, drawn.height // 2)
    soft = drawn.resize(half, Image.Resampling.BILINEAR).resize(drawn.size, Image.Resampling.BILINEAR)
    pictures = [np.array(picture.convert("RGB"))[75:125, 165:225] for picture in (drawn, soft)]
    columns = [f"as drawn: {_count(drawn)} values", f"resized and back: {_count(soft)} values"]
    return panel([("", pictures)], columns, out / "cells_soft_edges.png", cell_inches=2.4)


def _read(path: Path) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


def _count(mask: Image.Image) -> int:
    return len(np.unique(np.array(mask)))


def save_small(path: Path, colors: int = 128) -> Path:
    """Save a picture anew with a palette of few colors: a fraction of the bytes."""
    picture = Image.open(path).convert("RGB").quantize(colors, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    return path


if __name__ == "__main__":
    main()
