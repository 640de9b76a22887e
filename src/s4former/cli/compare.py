"""``s4former compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from s4former.cli.arguments import RunConfig
from s4former.cli.screen import say

if TYPE_CHECKING:
    from s4former.engine.run import Run

_LIST = "list"


def compare(
    config: RunConfig,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[a.b=c ...]", help="Fields of every run, as for train.")
    ] = None,
    methods: Annotated[
        str,
        typer.Option(help="Rows: methods with commas between, each perhaps as NAME:field=value,field=value."),
    ] = "",
    rows: Annotated[
        Path | None, typer.Option(help="More rows: a YAML file with a list of overrides for each name.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas between.")] = "0,1,2",
    labels: Annotated[
        str,
        typer.Option(help="Label counts, as the lists are called.", show_default="the config's own lists"),
    ] = "",
    draws: Annotated[str, typer.Option(help="Draws of so many labels.")] = "0",
    splits: Annotated[
        str, typer.Option(help="Folder of labeled.txt and unlabeled.txt, from data.root.")
    ] = "splits/{labels}_draw{draw}",
    first_steps: Annotated[
        int, typer.Option(min=0, help="So many of the steps are supervised, and shared by a cell's rows.")
    ] = 0,
    first: Annotated[
        list[str] | None, typer.Option(metavar="a.b=c", help="A field of those steps alone; may be repeated.")
    ] = None,
    second: Annotated[
        list[str] | None, typer.Option(metavar="a.b=c", help="A field of the steps after them alone.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="Cut the labeled images into so many folds, each scored once.")
    ] = 0,
    reference: Annotated[
        Literal["none", "all"], typer.Option(help="all: supervised rows on all labels too: the ceiling.")
    ] = "none",
    against: Annotated[
        str,
        typer.Option(
            help="Rows that the others are compared with, pair by pair.",
            show_default="supervised, or the first row",
        ),
    ] = "",
    eval_split: Annotated[
        Literal["val", "test"] | None, typer.Option(help="Short for evaluate.part=...")
    ] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for runs and results.")] = Path(
        "runs/compare"
    ),
    jobs: Annotated[
        str, typer.Option(help="k/n: every n-th cell, from the k-th (k from 0); list: print such commands.")
    ] = "0/1",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained.")] = False,
    table_only: Annotated[
        bool, typer.Option("--table-only", help="Train nothing: a table of what is finished.")
    ] = False,
) -> None:
    """Compare methods under one protocol: equal steps, views, labels and scores, in paired cells.

    A comparison that was stopped goes on when the same command is typed again.

    Example: s4former compare camvid --methods supervised,s4former --seeds 0,1,2 --out runs/camvid_methods
    """
    from s4former.cli.train import config_name
    from s4former.config.invocation import again, invoked, program
    from s4former.recipes import load_run
    from s4former.studies import compare as train_and_compare
    from s4former.studies import describe, job_of, make_study, references

    changes = [*(overrides or []), *([f"evaluate.part={eval_split}"] if eval_split else [])]

    def base(cell: Sequence[str]) -> Run:
        return load_run(config, [*changes, *cell])[0]

    part = (0, 1) if jobs == _LIST else job_of(jobs)
    lists, steps = (
        (labels, draws, seeds, reference == "all", splits),
        (first_steps, first or (), second or ()),
    )
    study = make_study(base, out / "runs", methods, rows, *lists, *steps, folds)
    compared = references(against, study.rows)
    console = Console(highlight=False)
    if jobs == _LIST:
        for number in range(len(study.cells)):
            console.print(_job(number, len(study.cells)), markup=False, soft_wrap=True)
    elif dry_run:
        for line in describe(study, part):
            say(console, "", line)
    else:
        title = f"{config_name(config)}: {', '.join(row.name for row in study.rows)}"
        with invoked(again(program()), out="--out"):
            train_and_compare(
                study, out / "results.json", compared, title, part, train=not table_only, console=console
            )


def _job(number: int, count: int) -> str:
    """Return this command for one cell alone."""
    import sys

    from s4former.config.invocation import program, typed

    given = sys.argv[1:]
    place = given.index("--jobs") if "--jobs" in given else None
    rest = given if place is None else [*given[:place], *given[place + 2 :]]
    rest = [each for each in rest if not each.startswith("--jobs=")]
    return typed(program(), [*rest, "--jobs", f"{number}/{count}"])
