"""Makes the pictures of ``docs/predict.md``, ``label.md`` and ``watch.md`` from a run on the demo's scenes.

    s4former demo --out demo
    python docs/images/make_after_training.py demo/s4former

writes ``predict.png``, ``label_next.png``, ``curves.png`` and ``unlabeled.png`` beside this script.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from make_your_own_data import save_small
from PIL import Image

import s4former
from s4former.data.config import DataConfig
from s4former.data.sources import open_source
from s4former.report.figures import colorize, panel

SCENES = 24


def main() -> None:
    """Write some scenes as files, and make the pictures."""
    parser = argparse.ArgumentParser(description="Make pictures of a trained model and its run.")
    parser.add_argument("run", type=Path, help="a run on the demo's scenes")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="for the pictures")
    options = parser.parse_args()
    source = open_source(
        DataConfig.model_validate(json.loads((options.run / "run.json").read_text())["run"]["data"])
    )
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for id in source.val[:SCENES]:
            Image.fromarray(source.read_image(id, "val")).save(photos / f"{id}.png")
        print(save_small(draw_prediction(options.run, photos, options.out)))
        print(save_small(draw_next(options.run, photos, options.out), 255))
    print(save_small(Path(shutil.copy(options.run / "curves.png", options.out / "curves.png"))))
    print(save_small(draw_unlabeled(options.run / "panels/unlabeled", options.out)))


def draw_prediction(run: Path, photos: Path, out: Path) -> Path:
    """Show what ``s4former predict --confidence`` writes for three images."""
    model, rows = s4former.load(run), []
    for prediction in model.predict(sorted(photos.iterdir())[:3]):
        sure = np.repeat((prediction.confidence * 255).astype(np.uint8)[..., None], 3, 2)
        painted = np.array(prediction.overlay())
        rows.append(("", (prediction.image, colorize(prediction.mask, prediction.colors), painted, sure)))
    columns = ["image", "NAME.png", "NAME_overlay.png", "NAME_confidence.png"]
    legend = dict(zip(prediction.names, prediction.colors, strict=True))
    return panel(rows, columns, out / "predict.png", legend)


def draw_next(run: Path, photos: Path, out: Path) -> Path:
    """Show which images ``s4former label`` would have labeled next."""
    labels = photos.parent / "labels"
    command = ["label", run, photos, "--out", labels, "--next", "6"]
    subprocess.run([sys.executable, "-m", "s4former", *map(str, command)], check=True)
    return Path(shutil.copy(labels / "next.png", out / "label_next.png"))


def draw_unlabeled(pictures: Path, out: Path) -> Path:
    """Show what became of unlabeled images in the last step that was kept."""
    last = max(path.name.split("_")[0] for path in pictures.glob("*.png"))
    kinds = ["weak", "teacher", "kept", "uncertainty", "strong", "shuffled"]
    rows = [
        (
            "",
            [np.array(Image.open(pictures / f"{last}_{number}_{kind}.png").convert("RGB")) for kind in kinds],
        )
        for number in range(2)
    ]
    return panel(rows, kinds, out / "unlabeled.png")


if __name__ == "__main__":
    main()
