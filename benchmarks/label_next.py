"""Which images to label next: `s4former label`'s ranking against chance, on MSRC-21 from 21 labels to 42.

    python benchmarks/label_next.py --data DIR --weights FILE --draws 0,1,2 \
        --set threads=1 precision=bfloat16 --out benchmarks/results/label_next.json

For each draw a supervised model is trained on its 21 labels; it ranks the unlabeled images, and the first 21
are labeled in addition. Chance is the data set's own list of 42, which holds the same 21. Both are trained
alike (400 supervised steps from the backbone's weights) and scored on val. Each run lives in its own folder
under --runs; finished ones are read, not repeated. ``--rank-with 'DIR/draw{draw}'`` takes trained models.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import s4former
from s4former.config.record import read_json, write_json
from s4former.curation import open_source
from s4former.curation.label import PARTS, choose_next, known_images, look
from s4former.data.sources import evaluation_pairs
from s4former.data.split_lists import write_split
from s4former.recipes import load_run
from s4former.studies.scores import summarize

ARMS = {"ranked": PARTS, "unsure": ("unsure",), "rare": ("rare",), "rare_different": ("rare", "different")}

ELSEWHERE = ("data", "device")
"""What may differ between machines; the lists are compared by what they are called."""


def alike(done: Any, wanted: Any) -> bool:
    """Whether a run was trained as wanted; fields that came later do not count, nor do paths."""
    if isinstance(done, dict) and isinstance(wanted, dict):
        return all(key == "pretrained" or alike(done[key], wanted.get(key)) for key in done)
    return bool(done == wanted)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the MSRC-21 folder")
    parser.add_argument("--weights", type=Path, required=True, help="the backbone's weights")
    parser.add_argument("--draws", default="0,1,2")
    parser.add_argument("--arms", default="ranked", help=f"beside chance, of {', '.join(ARMS)}")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rank-with", help="trained models that rank, as runs/draw{draw}")
    parser.add_argument("--set", nargs="*", default=[], metavar="a.b=c", help="overrides of every run")
    parser.add_argument("--runs", type=Path, default=Path("runs/label_next"))
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


class Benchmark:
    """The runs of one command line."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.always = [
            f"data.root={chosen.data}",
            f"model.pretrained={chosen.weights}",
            f"steps={chosen.steps}",
            "evaluate_every=0",
            "save_every=0",
            *chosen.set,
        ]

    def trained(self, name: str, labeled: str, unlabeled: str) -> Path:
        """Return the folder of a run on a list, which is trained if it is not finished."""
        folder = self.chosen.runs / name
        changes = [*self.always, f"data.labeled_split={labeled}", f"data.unlabeled_split={unlabeled}"]
        run = load_run("msrc.supervised", changes)[0]
        if not (folder / "result.json").exists():
            s4former.train(run, out=folder, resume=folder.exists())
        done, wanted = read_json(folder / "run.json")["run"], run.model_dump(mode="json")
        differ = [field for field in done if field not in ELSEWHERE and not alike(done[field], wanted[field])]
        if differ:
            raise SystemExit(f"{folder} was trained with other {', '.join(differ)}; name other --runs")
        return folder

    def lists(self, draw: str, arm: str) -> tuple[str, str, list[str]]:
        """Return the lists of an arm, and why each image was chosen: 21 labels, and as many by rank."""
        folder = (self.chosen.runs / "lists" / f"{arm}_draw{draw}").resolve()
        files = folder / "labeled.txt", folder / "unlabeled.txt"
        start = tuple(f"splits/21_draw{draw}/{kind}.txt" for kind in ("labeled", "unlabeled"))
        if not all(file.exists() for file in files):
            if self.chosen.rank_with:
                ranker = Path(self.chosen.rank_with.format(draw=draw))
            else:
                ranker = self.trained(f"start_draw{draw}", *start)
            changes = [*self.always, f"data.labeled_split={start[0]}", f"data.unlabeled_split={start[1]}"]
            run = load_run("msrc.supervised", changes)[0]
            source, model = open_source(run.data), s4former.load(ranker, precision=run.precision)
            pairs = ((image, mask) for _, image, mask in evaluation_pairs(source, "labeled"))
            ids, known = source.unlabeled, known_images(model, pairs, len(source.classes))
            looks = [look(model, None, source.read_image(id, "unlabeled"))[1] for id in ids]
            choices = choose_next(looks, known, source.classes.names, len(source.labeled), ARMS[arm])
            taken = [ids[choice.index] for choice in choices]
            write_split(files[0], sorted([*source.labeled, *taken]))
            write_split(files[1], [id for id in ids if id not in taken])
            why = [f"{id}: {choice.reason}" for id, choice in zip(taken, choices, strict=True)]
            write_json(folder / "why.json", why)
        return str(files[0]), str(files[1]), read_json(folder / "why.json")

    def result(self, draw: str, arm: str) -> dict[str, Any]:
        """Return the score of an arm of a draw, and which classes its labels show."""
        why: list[str] = []
        if arm == "chance":
            lists = tuple(f"splits/42_draw{draw}/{kind}.txt" for kind in ("labeled", "unlabeled"))
        else:
            *lists, why = self.lists(draw, arm)
        folder = self.trained(f"{arm}_draw{draw}", *lists)
        scored = read_json(folder / "result.json")["last"]["student"]
        return {
            "draw": int(draw),
            "arm": arm,
            "miou": round(100 * scored["miou"], 2),
            "iou": {name: round(100 * iou, 1) for name, iou in scored["iou"].items()},
            "labeled": read_json(folder / "run.json")["data"]["labeled"],
            "chosen": why,
        }


def main() -> None:
    """Rank, train and score."""
    chosen = options()
    benchmark, arms = Benchmark(chosen), chosen.arms.split(",")
    rows = []
    for arm in ("chance", *arms):
        for draw in chosen.draws.split(","):
            rows.append(benchmark.result(draw, arm))
            print(arm, draw, rows[-1]["miou"], flush=True)
            write(chosen.out, rows, arms, benchmark)


def write(out: Path, rows: Sequence[dict[str, Any]], arms: Sequence[str], benchmark: Benchmark) -> None:
    """Write JSON and Markdown of what there is."""
    scores = {(row["arm"], row["draw"]): row["miou"] for row in rows}
    draws = sorted({row["draw"] for row in rows})
    lines = [
        "# What the next 21 labels give: MSRC-21, from 21 labels to 42, mIoU on val",
        "",
        f"| the next 21 | {' | '.join(f'draw {draw}' for draw in draws)} | mean | difference to chance |",
        f"|---|{'---:|' * (len(draws) + 2)}",
    ]
    for arm in ("chance", *arms):
        own = [scores.get((arm, draw)) for draw in draws]
        cells = ["" if score is None else f"{score:.1f}" for score in own]
        if None not in own:
            cells.append(f"{np.mean(own):.1f}")
            gains = summarize([scores[arm, draw] - scores["chance", draw] for draw in draws])
            interval = "" if gains.low is None else f" [{gains.low:.1f}, {gains.high:.1f}]"
            cells.append("" if arm == "chance" else f"{gains.mean:+.1f}{interval}")
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    always = [change for change in benchmark.always if not change.startswith(("data.root", "model.pre"))]
    ranker = "200 + 200 supervised steps" if benchmark.chosen.rank_with else "as many supervised steps"
    lines += [
        "",
        "Paired over draws, with 95 % intervals by Student's t. `ranked` is what `s4former label` does: "
        f"the parts {', '.join(PARTS)}; other rows are parts of it alone. `chance` is the data set's own "
        "list of 42, whose images were drawn. Models that rank learned from 21 labels in "
        f"{ranker}. Every run: `msrc.supervised` with {' '.join(always)}; ViT-S/14 with DINOv2-derived "
        "weights, seed 0. Made by `benchmarks/label_next.py`.",
        "",
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, {"torch": torch.__version__, "settings": always, "rows": list(rows)})
    out.with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
