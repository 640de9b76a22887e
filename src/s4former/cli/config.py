"""``s4former config``."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Look at configs.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command()
def show(
    config: Annotated[
        str, typer.Argument(help="A recipe (demo, camvid), a dataset.yaml, or a run as .yaml or .py.")
    ],
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
