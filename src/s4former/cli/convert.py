"""``s4former convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A file or folder with weights; it stays as it is.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .safetensors file to write.")],
    backbone: Annotated[
        str | None, typer.Option(help="Make sure that the weights fit this model.backbone.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Of several transformers in IN, the one with this name around it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Rewrite a backbone's weights (mmcls, mmseg, Hugging Face, DINOv2, MiT, timm, JAX) as safetensors.

    Training reads all of these as they are; converting is for sharing a file, or for looking what is in one.
    """
    from s4former.models.convert import convert_weights

    done = convert_weights(source, out, backbone, part=part, force=force)
    typer.echo(f"{source}: {done.style} names")
    typer.echo(
        f"{out}: {done.tensors} tensors, {done.parameters / 1e6:.2f} M parameters"
        + (f"; {done.left_out} tensors outside of the backbone dropped" if done.left_out else "")
    )
    if done.fits:
        also = f" (also {', '.join(done.fits[1:4])})" if len(done.fits) > 1 else ""
        colors = f" {done.colors}" if done.colors else ""
        typer.echo(f"use it: model.backbone={done.fits[0]}{also} model.pretrained={out}{colors}")
    else:
        kind = "mit" if done.style.startswith("mit_") else "vit"
        typer.echo(f"no backbone with a name of its own has these sizes: model.backbone={kind} takes any")
