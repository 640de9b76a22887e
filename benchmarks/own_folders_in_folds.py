"""Do folds of the few masks say what hidden masks say? `s4former compare --folds` on a user's folder.

    python benchmarks/own_folders_in_folds.py --msrc DIR --camvid DIR --weights FILE --folder farm \
        --folds 4 --steps 300 --out benchmarks/results/own_folder_farm_folds.json

The folders are those of `own_folders.py`. Each fold's masks are held out of its runs and score them; each run
is also scored on the photographs without masks, whose masks stay outside of the folder until all runs have
ended. What the first scores say is all that a user has, the second are what the user wants to know. Finished
runs are read, not repeated.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console

from own_folders import FOLDERS, add_places, make, score
from s4former.config import write_json
from s4former.config.record import write_text
from s4former.recipes import load_run
from s4former.studies import compare, make_study, references
from s4former.studies.scores import summarize

METHODS = "supervised:class_balance=0,s4former"


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_places(parser)
    parser.add_argument("--folder", default="farm", choices=FOLDERS)
    parser.add_argument("--methods", default=METHODS, help="as for `s4former compare`")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, required=True)
    return parser.parse_args()


def main() -> None:
    """Make the folder, compare in folds, and score the same runs on hidden masks."""
    chosen, console = options(), Console(width=200)
    place = chosen.runs / chosen.folder
    folder = FOLDERS[chosen.folder]
    hidden = make(folder, {"msrc": chosen.msrc, "camvid": chosen.camvid}[folder.data], place)
    changes = [f"model.pretrained={chosen.weights.resolve()}", f"steps={chosen.steps}", *chosen.set]
    study = make_study(
        lambda cell: load_run(place / "dataset.yaml", [*changes, *cell])[0],
        place / "compare",
        chosen.methods,
        seeds=chosen.seeds,
        folds=chosen.folds,
    )
    against = references("", study.rows)
    title = f"{chosen.folder}: {folder.masks} masks in {chosen.folds} folds"
    found = compare(study, chosen.out, against, title, console=console)
    if found is None:
        raise SystemExit("no run is finished")
    found["hidden"] = on_hidden_masks(found["runs"], study.runs, place, hidden, against[0])
    write_json(chosen.out, found)
    report = chosen.out.with_suffix(".md")
    write_text(report, report.read_text() + said(found["hidden"], against[0], len(hidden), chosen))
    console.print(report.read_text(), markup=False)


def on_hidden_masks(
    records: list[dict[str, Any]], runs: Path, place: Path, hidden: dict[str, Path], baseline: str
) -> dict[str, Any]:
    """Return each row's mIoU in percent on the hidden masks, fold by fold, and its gains on the baseline."""
    scores: dict[str, list[float]] = defaultdict(list)
    for record in records:
        if record["row"]:
            scores[record["row"]].append(round(score(runs / record["folder"], place, hidden), 2))
    differences = {
        row: [round(mine - other, 2) for mine, other in zip(values, scores[baseline], strict=True)]
        for row, values in scores.items()
        if row != baseline
    }
    return {"scores": dict(scores), "differences": differences}


def said(found: dict[str, Any], baseline: str, images: int, chosen: argparse.Namespace) -> str:
    """Return a section of Markdown on the hidden masks."""
    lines = [
        "",
        f"## The same runs on the {images} photographs whose masks stayed outside",
        "",
        f"| row | mIoU | each fold's run | to {baseline} |",
        "| --- | ---: | --- | ---: |",
    ]
    for row, values in found["scores"].items():
        gain = summarize(found["differences"][row]) if row in found["differences"] else None
        interval = (
            f"{gain.mean:+.1f} [{gain.low:.1f}, {gain.high:.1f}]" if gain and gain.low is not None else ""
        )
        each = ", ".join(f"{value:.1f}" for value in values)
        lines.append(f"| {row} | {sum(values) / len(values):.1f} | {each} | {interval} |")
    typed = " ".join([f"s4former compare dataset.yaml steps={chosen.steps}", *chosen.set])
    return (
        "\n".join(lines)
        + f"\n\n`{typed} --methods {chosen.methods} --folds {chosen.folds} --seeds {chosen.seeds}`; ViT-S/14 "
        "with DINOv2-derived weights. The folds share most of what they learn from, so intervals over them "
        "are too narrow. Made by `benchmarks/own_folders_in_folds.py`.\n"
    )


if __name__ == "__main__":
    main()
