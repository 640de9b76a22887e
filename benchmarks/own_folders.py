"""Three folders as users have them: what `s4former train dataset.yaml` gives, and what supervised-only gives.

    python benchmarks/own_folders.py --msrc DIR --camvid DIR --weights FILE --seeds 0,1 --steps 200 \
        --out benchmarks/results/own_folders.json

Each folder is made of photographs, with masks for 9 to 16 of them; `s4former init` writes its dataset.yaml,
and `s4former train` chooses everything but the steps. What is scored are the photographs without masks: their
masks stay outside of the folder until the runs have ended. Classes that no mask in the folder shows are not
scored. Finished runs are read, not repeated.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from rich.console import Console
from rich.table import Table

import s4former
from s4former.config import read_json, write_json
from s4former.types import IGNORE


@dataclass(frozen=True)
class Folder:
    """A folder to make.

    Attributes:
        data: Which data set its photographs are from.
        groups: Starts of their names; the scene groups of MSRC-21 are numbers.
        masks: How many have a mask.
        others: How many have none, at most.
    """

    data: str
    groups: tuple[str, ...]
    masks: int
    others: int


FOLDERS = {
    "farm": Folder("msrc", ("1_", "2_", "5_", "9_"), masks=12, others=48),
    "street": Folder("msrc", ("3_", "7_", "8_", "17_"), masks=16, others=48),
    "drive": Folder("camvid", ("0001TP", "0006R0", "0016E5"), masks=9, others=51),
}
ROWS: dict[str, list[str]] = {
    "supervised": ["method=supervised"],
    "as chosen": [],
    "labels in context": ["method.views.context=2"],
    "labels in crops": ["method.views.context=0"],
    "mean teacher with CutMix": ["method=mean_teacher", "method.cutmix_probability=0.5"],
}
BASELINE = "supervised"


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_places(parser)
    parser.add_argument("--folders", default=",".join(FOLDERS))
    parser.add_argument("--rows", default=f"{BASELINE},as chosen", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, help="in place of what is chosen for the folder")
    return parser.parse_args()


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where data and weights lie, and where runs and results go."""
    parser.add_argument("--msrc", type=Path, required=True, help="the MSRC-21 folder")
    parser.add_argument("--camvid", type=Path, required=True, help="the CamVid folder")
    parser.add_argument("--weights", type=Path, required=True, help="the backbone's weights")
    parser.add_argument("--set", nargs="*", default=[], metavar="a.b=c", help="overrides of every run")
    parser.add_argument("--runs", type=Path, default=Path("runs/own_folders"))
    parser.add_argument("--out", type=Path, required=True)


def spread(items: Sequence[Path], count: int) -> list[Path]:
    """Return so many of the items, evenly spread."""
    count = min(count, len(items))
    return [items[(2 * number + 1) * len(items) // (2 * count)] for number in range(count)]


def make(folder: Folder, data: Path, place: Path) -> dict[str, Path]:
    """Make a folder with its dataset.yaml; return the hidden masks by photograph."""
    found = sorted(
        file for file in (data / "images" / "train").iterdir() if file.name.startswith(folder.groups)
    )
    masked = spread(found, folder.masks)
    others = spread([file for file in found if file not in masked], folder.others)
    masks = data / "masks" / "train"
    if not (place / "dataset.yaml").exists():
        for name in ("photos", "masks"):
            (place / name).mkdir(parents=True, exist_ok=True)
        for file in [*masked, *others]:
            shutil.copy(file, place / "photos")
        for file in masked:
            shutil.copy(masks / f"{file.stem}.png", place / "masks")
        typed = ["init", "photos", "--masks", "masks", "--val", "0.25"]
        subprocess.run([sys.executable, "-m", "s4former", *typed], cwd=place, check=True)
    return {file.name: masks / f"{file.stem}.png" for file in others}


def score(run: Path, place: Path, hidden: dict[str, Path]) -> float:
    """Return the mIoU in percent of a run's model on hidden masks, of the classes that the folder shows."""
    names = yaml.safe_load((place / "dataset.yaml").read_text())["names"]
    index = np.full(256, IGNORE)
    for number, entry in enumerate(names):
        index[entry["values"]] = number
    model, counts = s4former.load(run), np.zeros((len(names), len(names)), dtype=np.int64)
    for photo, mask in hidden.items():
        truth = index[np.asarray(Image.open(mask))]
        said = np.asarray(model.predict(place / "photos" / photo).mask)
        known = truth != IGNORE
        pairs = truth[known] * len(names) + said[known]
        counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)
    union = counts.sum(0) + counts.sum(1) - counts.diagonal()
    shown = counts.sum(1) > 0
    return float(100 * (counts.diagonal() / np.maximum(union, 1))[shown].mean())


def result_of(place: Path, name: str, changes: Sequence[str], hidden: dict[str, Path]) -> dict[str, Any]:
    """Train a run, unless it is finished, and return its scores."""
    folder = place / "runs" / name
    if not (folder / "result.json").exists():
        s4former.train(place / "dataset.yaml", list(changes), out=folder, resume=folder.exists())
    result = read_json(folder / "result.json")
    run = read_json(folder / "run.json")["run"]
    return {
        "method": run["method"]["name"],
        "steps": result["steps"],
        "hidden": round(score(folder, place, hidden), 2),
        "val": {network: round(100 * last["miou"], 2) for network, last in result["last"].items()},
        "fell back": bool((result.get("fall_back") or {}).get("fell_back")),
        "seconds": result["seconds"],
    }


def main() -> None:
    """Make the folders, train and score."""
    chosen, console = options(), Console(width=140)
    data = {"msrc": chosen.msrc, "camvid": chosen.camvid}
    collected: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in chosen.folders.split(","):
        place = chosen.runs / name
        hidden = make(FOLDERS[name], data[FOLDERS[name].data], place)
        for seed in chosen.seeds.split(","):
            for row in chosen.rows.split(","):
                changes = [f"model.pretrained={chosen.weights.resolve()}", f"seed={seed}", *ROWS[row]]
                changes += [f"steps={chosen.steps}"] if chosen.steps else []
                found = result_of(place, f"{row.replace(' ', '_')}_{seed}", [*changes, *chosen.set], hidden)
                collected.setdefault(name, {}).setdefault(row, []).append(found)
                console.print(f"{name}, {row}, seed {seed}: {found}")
    own = [f"steps={chosen.steps}"] if chosen.steps else []
    write(chosen.out, collected, chosen.seeds.split(","), [*own, *chosen.set], console)


def write(
    out: Path,
    collected: dict[str, dict[str, list[dict[str, Any]]]],
    seeds: list[str],
    changes: list[str],
    console: Console,
) -> None:
    """Write JSON and Markdown."""
    rows = list(next(iter(collected.values())))
    gains = [f"{row} - {BASELINE}" for row in rows if row != BASELINE and BASELINE in rows]
    columns = ("folder", "masks", "without", "seed", *rows, *gains)
    table = Table(*columns, title="mIoU on the hidden masks of the photographs without masks")
    for name, found in collected.items():
        for number, seed in enumerate(seeds):
            scores = {row: found[row][number]["hidden"] for row in rows}
            said = [
                f"{scores[row]:.1f}{' (fell back)' if found[row][number]['fell back'] else ''}"
                for row in rows
            ]
            more = [f"{scores[row] - scores[BASELINE]:+.1f}" for row in rows if row != BASELINE and gains]
            folder = FOLDERS[name]
            table.add_row(name, str(folder.masks), str(folder.others), seed, *said, *more)
    console.print(table)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, {"torch": torch.__version__, "runs": collected})
    cells = zip(*(list(column.cells) for column in table.columns), strict=True)
    lines = [columns, ["---"] * len(columns), *cells]
    text = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
    typed = " ".join(["s4former train dataset.yaml", *changes])
    out.with_suffix(".md").write_text(
        f"# {table.title}\n\n{text}\n\n`{typed}`, and otherwise as it chooses, but for what the rows "
        f"change: {'; '.join(f'{row}: `{chr(32).join(ROWS[row])}`' for row in rows if ROWS[row])}; the "
        "network in `model/`; ViT-S/14 with DINOv2-derived weights. A quarter of the masks is held out for "
        "validation, as `s4former init --val 0.25` does. Made by `benchmarks/own_folders.py`.\n"
    )


if __name__ == "__main__":
    main()
