"""What ``msrc.py`` and ``camvid.py`` share: `s4former compare` on one data set, with its settings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from s4former.cli.main import guarded
from s4former.config import invoked, typed
from s4former.config.invocation import python
from s4former.engine import Run
from s4former.recipes import load_run
from s4former.studies import compare, describe, job_of, make_study, references


@dataclass(frozen=True)
class Benchmark:
    """How a data set is compared on.

    Attributes:
        name: What it is called.
        recipe: The recipe that all rows share.
        changes: Overrides of it.
        methods: Rows by default.
        labels: Label counts by default.
        splits: Where the lists are, from the data set's folder.
        steps: Steps by default.
        first_share: The share of the steps that is supervised and shared by the rows of a cell, by default.
        first: Overrides of those steps alone.
        second: Overrides of what comes after them alone.
    """

    name: str
    recipe: str
    methods: str
    labels: str
    splits: str
    steps: int
    changes: Sequence[str] = ()
    first_share: float = 0.0
    first: Sequence[str] = ()
    second: Sequence[str] = ()


def main(benchmark: Benchmark, description: str) -> None:
    """Run what the command line asks for."""
    guarded(lambda: _main(benchmark, _options(benchmark, description)))


def _options(benchmark: Benchmark, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help=f"the {benchmark.name} folder")
    parser.add_argument("--weights", required=True, help="the backbone's weights")
    parser.add_argument("--recipe", default=benchmark.recipe, help="the recipe that all rows share")
    parser.add_argument("--methods", help="NAME,NAME:field=value,field=value")
    parser.add_argument("--rows", type=Path, help="a YAML file with more rows, as benchmarks/rows/*.yaml")
    parser.add_argument("--labels", default=benchmark.labels, help="label counts, as the lists are called")
    parser.add_argument("--draw", "--draws", default="0", help="draws, with commas between")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=benchmark.steps, help="steps of each row in all")
    parser.add_argument("--first-steps", type=int, help="so many of them are supervised and shared")
    parser.add_argument("--eval-split", default="val", choices=["val", "test"])
    parser.add_argument("--reference", default="none", choices=["none", "all"], help="all: the ceiling too")
    parser.add_argument("--against", default="", help="rows that the others are compared with")
    parser.add_argument("--set", nargs="*", default=[], metavar="a.b=c", help="overrides of every run")
    parser.add_argument("--first", nargs="*", default=[], metavar="a.b=c", help="of the shared steps alone")
    parser.add_argument("--second", nargs="*", default=[], metavar="a.b=c", help="of those after them alone")
    parser.add_argument("--jobs", default="0/1", help="k/n: every n-th cell, from the k-th (k from 0)")
    parser.add_argument("--table-only", action="store_true", help="train nothing")
    parser.add_argument("--dry-run", action="store_true", help="say what would be trained")
    parser.add_argument("--runs", type=Path, help="folder of the runs")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, or a folder for it")
    return parser.parse_args()


def _main(benchmark: Benchmark, chosen: argparse.Namespace) -> None:
    first_steps = chosen.first_steps
    if first_steps is None:
        first_steps = int(benchmark.first_share * chosen.steps)
    changes = [
        f"data.root={chosen.data}",
        f"model.pretrained={chosen.weights}",
        f"evaluate.part={chosen.eval_split}",
        f"steps={chosen.steps}",
        *(["method.unlabeled_start_step=0"] if first_steps else []),  # the labels have come first by then
        *(benchmark.changes if chosen.recipe == benchmark.recipe else ()),
        *chosen.set,
    ]

    def base(cell: Sequence[str]) -> Run:
        return load_run(chosen.recipe, [*changes, *cell])[0]

    out = chosen.out if chosen.out.suffix == ".json" else chosen.out / "results.json"
    place = f"{chosen.recipe}_{chosen.eval_split}_{first_steps}of{chosen.steps}"
    study = make_study(
        base,
        chosen.runs or Path("runs") / f"benchmark_{benchmark.name.lower()}" / place,
        benchmark.methods if chosen.methods is None and chosen.rows is None else chosen.methods or "",
        chosen.rows,
        labels=chosen.labels,
        draws=chosen.draw,
        seeds=chosen.seeds,
        ceiling=chosen.reference == "all",
        splits=benchmark.splits,
        first_steps=first_steps,
        first=[*benchmark.first, *chosen.first],
        second=[*benchmark.second, *chosen.second],
    )
    part, console = job_of(chosen.jobs), Console(width=None if Console().is_terminal else 200)
    if chosen.dry_run:
        for line in describe(study, part):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    title = f"{benchmark.name}, draws {chosen.draw}, {chosen.steps} steps, mIoU on {chosen.eval_split}"
    with invoked(f"type `{typed(python(), sys.argv)}`", out="--runs"):
        against = references(chosen.against, study.rows)
        compare(study, out, against, title, part, train=not chosen.table_only, console=console)
