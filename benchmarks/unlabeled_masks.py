"""Scores of finished runs of MSRC-21 on every second unlabeled image: no setting was chosen on these.

    python benchmarks/unlabeled_masks.py --data DIR --runs runs/msrc --cells 21_draw0_seed0,21_draw1_seed0 \
        --rows supervised,s4former --out benchmarks/results/unlabeled_masks.json
    python benchmarks/unlabeled_masks.py --merge 21.json 42.json --out both.json      means of label counts

Methods have seen these images, never their masks; where rows of a cell have other labels, only images that
none has a mask of count. Differences are paired by cell.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from s4former.config import read_json, versions, write_json
from s4former.config.record import hardware, write_text
from s4former.data import DataConfig, open_source
from s4former.inference import Model
from s4former.ops.confusion import Scores, confusion_matrix
from s4former.studies.scores import summarize


def unlabeled(runs: Sequence[Path]) -> list[str]:
    """Return every second of the images that none of the runs had a mask of."""
    listed = [(run / "splits" / "unlabeled.txt").read_text().split() for run in runs]
    common = set(listed[0]).intersection(*listed)
    return [Path(line).name for line in listed[0] if line in common][::2]


@torch.no_grad()
def score(run: Path, data: Path, names: Sequence[str]) -> float:
    """Return the mIoU in percent of a run's network on some of its unlabeled images, whole."""
    lists = run / "splits"
    config = DataConfig(root=str(data), labeled_split=str((lists / "unlabeled.txt").resolve()))
    source, model = open_source(config), Model.load(run, "cpu", "bfloat16")
    ids = [id for id in source.labeled if Path(id).name in set(names)]
    counts = torch.zeros((len(model.card.names),) * 2, dtype=torch.int64)
    for id in ids:
        predicted = model.predict(source.read_image(id, "labeled")).mask
        mask = source.read_mask(id, "labeled")
        counts += confusion_matrix(
            torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(mask.astype(np.int64)), len(counts)
        )
    return 100 * Scores.from_matrix(counts).miou


def _means(files: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean score of the cells of each draw and seed: the labels of its label counts are nested."""
    scores: dict[str, list[float]] = {}
    for file in files:
        for cell, score in file.items():
            scores.setdefault(re.sub(r"^\d+_", "", cell), []).append(score)
    return {cell: fmean(values) for cell, values in scores.items()}


def _difference(scores: Mapping[str, float], reference: Mapping[str, float]) -> str:
    if scores is reference:
        return ""
    gain = summarize([scores[cell] - reference[cell] for cell in scores])
    return f"{gain.mean:+.1f}" + (
        f" [{gain.low:+.1f}, {gain.high:+.1f}]" if gain.half_width is not None else ""
    )


def main() -> None:
    """Score what the command line names; write JSON and a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="the MSRC-21 folder")
    parser.add_argument("--runs", type=Path, help="the folder of the cells")
    parser.add_argument("--cells", default="", help="folders of cells, with commas between")
    parser.add_argument("--rows", default="", help="folders of rows in each, with commas between")
    parser.add_argument("--against", default="", help="rows to compare with; default: the first two")
    parser.add_argument("--merge", type=Path, nargs="+", help="files of earlier calls, to be one table")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    files = [read_json(file)["miou"] for file in chosen.merge or ()]
    if not files and not (chosen.data and chosen.runs and chosen.cells and chosen.rows):
        parser.error("expected --data, --runs, --cells and --rows, or --merge")
    rows = list(files[0]) if files else chosen.rows.split(",")
    references = chosen.against.split(",") if chosen.against else rows[:2]
    if unknown := {*references} - {*rows}:
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    if files:
        found = {row: _means([file[row] for file in files]) for row in rows}
    else:
        pairs = [(row, cell) for row in rows for cell in chosen.cells.split(",")]
        folders = [chosen.runs / cell / row for row, cell in pairs]
        missing = [str(folder) for folder in folders if not (folder / "model").is_dir()]
        if missing:
            raise SystemExit(f"no finished run in {', '.join(missing)}; name others in --cells and --rows")
        found = {row: {} for row in rows}
        for row, cell in track(pairs, "scoring"):
            names = unlabeled([chosen.runs / cell / each for each in rows])
            found[row][cell] = score(chosen.runs / cell / row, chosen.data, names)
    cells = list(found[rows[0]])
    write_json(chosen.out, {"versions": versions(), "hardware": hardware(), "miou": found})
    header = " | ".join(f"minus {reference} [95 %]" for reference in references)
    lines = [f"| row | mIoU | {header} | by cell |", f"| --- | ---: |{' ---: |' * len(references)} --- |"]
    for row in rows:
        differences = (_difference(found[row], found[reference]) for reference in references)
        each = ", ".join(f"{value:.1f}" for value in found[row].values())
        mean = summarize([*found[row].values()]).mean
        lines.append(f"| {row} | {mean:.1f} | {' | '.join(differences)} | {each} |")
    note = f"mIoU on every second unlabeled image, whole, own size, bfloat16; cells: {', '.join(cells)}"
    write_text(chosen.out.with_suffix(".md"), "\n".join([*lines, "", note, ""]))
    Console(width=160).print("\n".join(lines), markup=False)


if __name__ == "__main__":
    main()
