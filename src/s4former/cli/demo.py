"""``s4former demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for the two runs and the picture.")
    ] = Path("runs/demo"),
) -> None:
    """See it work, without data and offline: few masks alone against few masks and many images.

    A demo that was stopped goes on when the same command is typed again.
    """
    from s4former.config.invocation import again, invoked, program
    from s4former.recipes._demo import run_demo

    with invoked(again(program()), out="--out"):
        run_demo(out)
