"""``s4former val``."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from s4former.cli.arguments import TrainedModel


def val(
    model: TrainedModel,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA] [a.b=c ...]",
            help="evaluate.part=test, device=cpu ...; other data as a dataset.yaml or data.root=DIR.",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the scores as JSON, fractions from 0 to 1.")
    ] = False,
) -> None:
    """Score a trained model."""
    from s4former.engine.progress import is_main_process, progress_for
    from s4former.engine.validation import validate
    from s4former.recipes import load_data

    changes = [change for change in overrides or [] if not _is_config(change)]
    configs = [config for config in overrides or [] if _is_config(config)]
    data = load_data(configs[-1]) if configs else None
    with progress_for(Console(stderr=True)) as progress:
        result = validate(model, changes, progress, data)
    if not is_main_process():
        return
    if json:
        typer.echo(json_format.dumps(result.record(), indent=2))
    else:
        print_scores(result.record(), Console())


def _is_config(text: str) -> bool:
    """Whether an argument names data: a dataset.yaml, or the config of a run."""
    return "=" not in text and Path(text).suffix in (".yaml", ".yml", ".py")


def print_scores(record: Mapping[str, Any], console: Console, name: str = "") -> None:
    """Print the scores of each class, their means, and what to know of them.

    Args:
        record: The scores.
        console: Where to.
        name: Of which network, if there are several.
    """
    from s4former.engine.tables import print_table, table_of
    from s4former.inference import wording

    few = record["interval"] is not None
    title = f"{record['part']}: {record['images']} image{'' if record['images'] == 1 else 's'}"
    title = f"{name}, {title}" if name else title
    columns = ["IoU %", *(["95 % interval"] if few else []), "accuracy %"]
    table = table_of(["class"], columns, title=title, caption=wording.caption(record["protocol"]))

    def row(title: str, iou: str, between: str, acc: str, style: str | None = None) -> None:
        table.add_row(title, iou, *([between] if few else []), acc, style=style)

    percent, interval = wording.percent, wording.interval
    for label, iou in record["iou"].items():
        row(label, percent(iou), interval(record, "iou", label), percent(record["acc"][label]))
    table.add_section()
    row("mean", percent(record["miou"]), interval(record), percent(record["macc"]), "bold")
    if record["counted_absent"]:
        row("mean, present classes", percent(record["miou_present"]), interval(record, "miou_present"), "")
    row("all pixels", "", "", percent(record["aacc"]))
    print_table(console, table)
    for remark in record["remarks"]:
        console.print(remark, markup=False, highlight=False, soft_wrap=not console.is_terminal)
