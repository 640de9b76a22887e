"""``s4former demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[a.b=c ...]", help="With --data: fields to change.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Photographs to run it on: images/ and masks/ with train and val, classes.json, "
            "splits/21_draw0/labeled.txt and unlabeled.txt.",
            show_default="made-up land",
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="With --data: pretrained ViT-S/14 of DINOv2, as a file; or hub, or none.")
    ] = "hub",
    labels: Annotated[
        int | None, typer.Option(help="With --data: labeled images.", show_default="the fewest")
    ] = None,
    draw: Annotated[int, typer.Option(help="With --data: which draw of the labeled images.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="With --data: steps of each of both runs.")] = 400,
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for the two runs and the picture.")
    ] = Path("runs/demo"),
) -> None:
    """See it work, without data and offline: few masks alone against few masks and many images.

    A demo that was stopped goes on when the same command is typed again.

    Example: s4former demo --data msrc21 --weights dinov2_vits14.safetensors --out runs/photos
    """
    from s4former.config.errors import UserError
    from s4former.config.invocation import again, invoked, program
    from s4former.recipes._demo import run_demo
    from s4former.recipes._demo_photos import photo_run

    if data is None and (changes or labels is not None or weights != "hub"):
        raise UserError("--weights, --labels and fields to change go with --data DIR")
    run = None if data is None else photo_run(data, weights, labels, draw, steps, changes or [])
    with invoked(again(program()), out="--out"):
        run_demo(out, run)
