"""``s4former config``."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from s4former.cli.arguments import RunConfig
from s4former.cli.screen import say

if TYPE_CHECKING:
    from s4former.config.fields import FieldFacts

app = typer.Typer(help="Look at configs.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command()
def show(
    config: RunConfig,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[a.b=c ...]", help="Fields to change.")
    ] = None,
) -> None:
    """Print the resolved config as YAML, which `s4former train` reads again."""
    import yaml

    from s4former.recipes import load_run

    run, notes = load_run(config, overrides or [])
    for note in notes:
        typer.echo(note, err=True)
    text = yaml.safe_dump(run.resolved().model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    typer.echo(text, nl=False)


@app.command()
def explain(
    field: Annotated[
        str, typer.Argument(metavar="[FIELD]", help="As method.confidence_threshold, lr, or a group as data.")
    ] = "",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page of all fields, docs/fields.md.")
    ] = False,
) -> None:
    """Say what a field is: the values that it takes, its default, what it does.

    Example: s4former config explain method.confidence_threshold
    """
    from s4former.recipes._fields import field_page, find_fields

    if markdown:
        typer.echo(field_page(), nl=False)
        return
    field = field.partition("=")[0]
    found = find_fields(field)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    paths = {fact.path for fact in found}
    if len(paths) > 3:
        _list(found, console)
        return
    for path, facts in groupby(found, lambda fact: fact.path):
        console.print(path, style="bold")
        for fact in facts:
            said = {"takes": fact.kind, "default": fact.default, "of": ", ".join(fact.of)}
            for what, text in said.items():
                if text:
                    say(console, f"  {what:9}", text)
            say(console, "  ", fact.about)
    if len(paths) == 1 and (group := find_fields(f"{field}.")):
        _list(group, console)


def _list(facts: list[FieldFacts], console: Console) -> None:
    """Print a line a field, those of a ``dataset.yaml`` apart, and how to see more."""
    from s4former.recipes._fields import DATASET_YAML

    for of_file, own in groupby(facts, lambda fact: fact.of == (DATASET_YAML,)):
        table = Table(f"in {DATASET_YAML}" if of_file else "field", "default", "", box=None, pad_edge=False)
        for path, same in groupby(own, lambda fact: fact.path):
            first, *more = same
            about = first.about.partition(". ")[0]
            table.add_row(*map(Text, (path, first.default + " ..." * bool(more), about)))
        Console().print(table)
    console.print("`s4former config explain FIELD` says more of each")
