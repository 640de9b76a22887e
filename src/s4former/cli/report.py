"""``s4former report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, finished or not.")],
    out: Annotated[
        Path | None, typer.Option(help="The page.", show_default="RUN/report.html; of several: report.html")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="The run that others are compared with.", show_default="a supervised one, or the first"
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Don't look at the val images again: no pictures, no intervals.")
    ] = False,
) -> None:
    """Write one page on a run, or on several side by side: curves, scores, errors, pseudo-labels.

    Example: s4former report runs/mine runs/baseline --out report.html
    """
    from s4former.cli.screen import bars
    from s4former.config.outputs import claim
    from s4former.report import make_report
    from s4former.report.records import read_runs

    page = out or (Path("report.html") if len(runs) > 1 or baseline else runs[0] / "report.html")
    read_runs([*runs, *([baseline] if baseline else [])])  # what is no run is told before anything is claimed
    outputs = claim([(page, "the report")], "page", instead="name another file with --out")
    with bars() as tell:
        text = make_report(runs, baseline, predict=not quick, on_image=tell)
    outputs.write_text(page, text)
    typer.echo(f"report: {page}")
