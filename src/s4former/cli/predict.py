"""``s4former predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track


def predict(
    model: Annotated[Path, typer.Argument(help="A run folder, a model folder or a model file.")],
    images: Annotated[list[str], typer.Argument(help="Files, folders (searched through) and globs.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the pictures.")],
    confidence: Annotated[
        bool, typer.Option("--confidence", help="Also write how sure the model is, as a gray picture.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")] = "auto",
) -> None:
    """Segment images: NAME.png holds class indices (with a palette), NAME_overlay.png is for the eye.

    Both have the size of the image.
    """
    from s4former.config.errors import DataError
    from s4former.engine.inputs import find_images
    from s4former.engine.predict import Model

    found = find_images(images)
    network = Model.load(model, device)
    failures = []
    for stem, path in track(found.items(), "predicting", console=Console(stderr=True), transient=True):
        try:
            network.predict(path).save(out, stem, confidence)
        except DataError as error:
            failures.append(str(error))
    typer.echo(f"{len(found) - len(failures)} of {len(found)} images: {out}")
    if failures:
        raise DataError("\n".join(["some images could not be read:", *failures]))
