"""What each part of S4Former is worth on the demo's scenes: every row of the ablation in several worlds.

    python benchmarks/demo_ablation.py --worlds 0,1 --runs runs/demo_ablation

A row is a run of the demo recipe with one thing changed. Runs live in their own folders, so that a benchmark
that was stopped goes on where it was. Scores are after the last step, so nothing is chosen on the scenes that
are scored.
"""

from __future__ import annotations

import argparse
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from s4former.config import read_json, versions, write_json
from s4former.config.override import override
from s4former.config.record import hardware
from s4former.engine import train
from s4former.recipes.demo import recipe
from s4former.studies.rows import parse_rows

RESULTS = Path(__file__).parent / "results"
ROWS = {row.name: row.changes for row in parse_rows(file=Path(__file__).parent / "rows/parts.yaml")}


def last_scores(row: str, world: int, runs: Path) -> dict[str, float]:
    """Return the mean IoU in percent of each network of a row in a world, training it if that is not done."""
    folder = runs / f"world{world}" / "".join(letter if letter.isalnum() else "_" for letter in row)
    run, _ = override(recipe(), [f"seed={world}", f"data.root={world}", "evaluate_every=0", *ROWS[row]])
    if not (folder / "result.json").exists():
        train(run, folder, resume=folder.exists())
    last = read_json(folder / "result.json")["last"]
    return {network: 100 * line["miou"] for network, line in last.items()}


def table(rows: dict[str, list[dict[str, float]]], worlds: list[int]) -> str:
    """Return the results as Markdown."""
    run = recipe()
    lines = [
        f"# What each part is worth on the demo's scenes, {len(worlds)} worlds",
        "",
        f"mIoU in percent after the last of {run.steps} steps on 100 validation scenes of each world "
        f"({', '.join(map(str, worlds))}); the settings are the demo's. "
        "Differences of a few points between rows are within the spread of worlds.",
        "",
        "| row | network | " + " | ".join(f"world {world}" for world in worlds) + " | mean |",
        "|---|---|" + "---:|" * (len(worlds) + 1),
    ]
    for row, scores in rows.items():
        for network in scores[0]:
            values = [score[network] for score in scores]
            cells = [row, network, *(f"{value:.1f}" for value in values), f"{statistics.mean(values):.1f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train what is missing, print the table, and write it as Markdown and JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", default="0,1,2")
    parser.add_argument("--runs", type=Path, default=Path("runs/demo_ablation"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    worlds = [int(world) for world in options.worlds.split(",")]
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in track(ROWS, "rows"):
        rows[row] = [last_scores(row, world, options.runs) for world in worlds]
    text = table(rows, worlds)
    print(text)
    name = f"demo_ablation_cpu{torch.get_num_threads()}_{datetime.now(UTC):%Y-%m-%d}"
    content = {"worlds": worlds, "rows": rows, "versions": versions(), "hardware": hardware()}
    write_json(options.out / f"{name}.json", content)
    (options.out / f"{name}.md").write_text(text)


if __name__ == "__main__":
    main()
