"""``s4former val``."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from s4former.engine.evaluate import Evaluation


def val(
    model: Annotated[Path, typer.Argument(help="A run folder, a model folder or a model file.")],
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
    from s4former.engine.validate import validate
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
        Console().print(score_table(result))


def _is_config(text: str) -> bool:
    """Whether an argument names data: a dataset.yaml, or the config of a run."""
    return "=" not in text and Path(text).suffix in (".yaml", ".yml", ".py")


def score_table(result: Evaluation) -> Table:
    """Return the scores of each class, and their means."""
    from s4former.engine.progress import percent

    record = result.record()
    size = (
        f"short side {record['protocol']['short_side']}" if record["protocol"]["short_side"] else "own size"
    )
    how = (
        f"{record['protocol']['mode']} images at {size}"
        if record["protocol"]["mode"] == "whole"
        else f"slide, {size}"
    )
    table = Table(title=f"{record['part']}: {record['images']} images", caption=how)
    for column in ("class", "IoU %", "accuracy %"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for name in result.names:
        table.add_row(name, percent(record["iou"][name]), percent(record["acc"][name]))
    table.add_section()
    table.add_row("mean", percent(record["miou"]), percent(record["macc"]), style="bold")
    table.add_row("all pixels", "", percent(record["aacc"]))
    return table
