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
    from s4former.config.errors import DataError, UserError
    from s4former.config.outputs import claim
    from s4former.engine.memory import lack_of_memory
    from s4former.inference.card import model_folder
    from s4former.inference.device import resolve_device
    from s4former.inference.inputs import find_images
    from s4former.inference.predict import Model, picture_paths

    try:
        resolve_device(device)
    except UserError as error:
        raise UserError(str(error).replace("device=", "--device ")) from None
    found = find_images(images)
    model_folder(model)
    outputs = claim(
        ((path, str(image)) for stem, image in found.images for path in picture_paths(out, stem, confidence)),
        "picture",
        inputs=[image for _, image in found.images],
        instead="type another --out, a folder of its own; images that share a name need one each",
    )
    if found.passed_over:
        typer.echo(f"passed over {found.passed_over} pictures that s4former wrote", err=True)
    network = Model.load(model, device)
    failures = []
    shown = track(found.images, "predicting", console=Console(stderr=True), transient=True)
    for stem, path in shown:
        try:
            network.predict(path).save(out, stem, confidence, outputs=outputs)
        except DataError as error:
            failures.append(str(error))
        except (MemoryError, RuntimeError) as error:
            lack = lack_of_memory(error)
            if lack is None:
                raise
            failures.append(f"{path}: {lack} for an image of its size; cut it into parts")
    count = len(found.images)
    typer.echo(f"{count - len(failures)} of {count} images: {out}")
    if failures:
        raise DataError("\n".join(["some images could not be read:", *failures]))
