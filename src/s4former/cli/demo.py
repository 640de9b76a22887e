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
    """See it work, without data and offline: few masks alone against few masks and many images."""
    from s4former.recipes.demo import run_demo

    run_demo(out)
