"""``s4former export``."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from s4former.cli.arguments import TrainedModel

Format = StrEnum("Format", {"onnx": "onnx", "torch_export": "torch-export"})
Precision = StrEnum("Precision", ["fp32", "fp16", "int8"])
_ENDING = {"onnx": ".onnx", "torch-export": ".pt2"}


def export(
    model: TrainedModel,
    format: Annotated[Format, typer.Option(help="ONNX, or what torch.export.load reads.")] = Format.onnx,
    size: Annotated[
        str, typer.Option(help="HxW in pixels, as 224x320; dynamic: any multiples of a patch.")
    ] = "dynamic",
    precision: Annotated[
        Precision, typer.Option(help="fp16: half the file; int8 (ONNX): a quarter, of matrix products alone.")
    ] = Precision.fp32,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The file; by default RUN.onnx here.")
    ] = None,
    verify: Annotated[
        list[str] | None,
        typer.Option(help="Images to compare on (file, folder, glob); by default the run's val images."),
    ] = None,
    max_changed: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="Pixels that may change class; by default 0.1, fp16 1, int8 5."),
    ] = None,
) -> None:
    """Write a trained model as a file that runs without this package, compared with the network first.

    It takes RGB images of 8 bits, batch x height x width x 3, and gives logits, batch x classes x height x
    width; `s4former predict FILE.onnx IMAGES --out DIR` needs no torch.
    """
    from s4former.config.errors import UserError
    from s4former.engine.exporting import export as export_model
    from s4former.inference.card import model_folder

    wanted = _size(size)
    folder = model_folder(model).resolve()
    name = folder.parent.name if folder.name in ("model", "model_best") else folder.name
    suffix = "" if precision is Precision.fp32 else f"_{precision}"
    out = out or Path(f"{name}{suffix}{_ENDING[format]}")
    _require_ending(out, _ENDING[format])
    try:
        done = export_model(
            model,
            out,
            format=str(format),  # type: ignore[arg-type]
            size=wanted,
            precision=str(precision),  # type: ignore[arg-type]
            verify=verify or (),
            max_changed=None if max_changed is None else max_changed / 100,
            say=lambda text: typer.echo(_with_options(text), err=True),
        )
    except UserError as error:
        raise UserError(_with_options(str(error))) from None
    found = done.agreement
    typer.echo(
        f"compared on {done.compared_on} ({found.sizes} size{'s' * (found.sizes > 1)}, and in a batch of 4): "
        f"largest logit error {found.logit_error:.2g} (logits reach {found.largest_logit:.3g}), "
        f"{100 * found.changed:.2g} % of the pixels changed class"
    )
    if found.miou:
        before, after = (100 * score for score in found.miou)
        typer.echo(f"mIoU on these images: network {before:.2f}, file {after:.2f} ({after - before:+.2f})")
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def _with_options(text: str) -> str:
    """Return a message in which arguments of the call are options."""
    names = "size|precision|format|out|verify|max_changed"
    return re.sub(rf"\b({names})= ?", lambda found: f"--{found[1].replace('_', '-')} ", text)


def _size(text: str) -> tuple[int, int] | None:
    from s4former.config.errors import UserError

    if text == "dynamic":
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise UserError(f"--size {text} is no size; type height and width, as --size 224x320, or dynamic")
    return int(sides[0]), int(sides[1])


def _require_ending(out: Path, ending: str) -> None:
    from s4former.config.errors import UserError

    if out.suffix != ending:
        raise UserError(f"--out {out}: expected the ending {ending}; type --out {out.with_suffix(ending)}")
