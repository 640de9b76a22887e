"""``s4former predict``."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from s4former.cli.arguments import Device, TrainedModel, require_device

if TYPE_CHECKING:
    from s4former.inference.jobs import Summary

_LEAST_SURE = 5


def predict(
    model: TrainedModel,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="IMAGES...", help="Files, folders (searched through), globs, videos."),
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for all that is written.")],
    overlay: Annotated[bool, typer.Option(help="Also paint the classes over the images.")] = True,
    confidence: Annotated[
        bool, typer.Option("--confidence", help="Also write how sure the model is, as a gray picture.")
    ] = False,
    probs: Annotated[
        bool, typer.Option("--probs", help="Also write the probabilities of all classes, as .npz.")
    ] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Also write the area of each class in each image: areas.csv.")
    ] = False,
    coco: Annotated[
        bool, typer.Option("--coco", help="Also write all masks as run lengths: coco.json.")
    ] = False,
    tta: Annotated[
        str | None, typer.Option(metavar="flip,0.75,1.25", help="Look mirrored and at other sizes, too.")
    ] = None,
    device: Device = "auto",
    workers: Annotated[
        int, typer.Option(min=0, help="Threads that read ahead, and as many that write behind.")
    ] = 1,
) -> None:
    """Segment images: NAME.png holds class indices (with a palette), NAME_overlay.png is for the eye.

    Both have the size of the image; a GeoTIFF gets NAME.tif of the same place. A second call goes on
    where the first one stopped.
    """
    from s4former.config.errors import DataError
    from s4former.inference.config import Options, parse_tta
    from s4former.inference.device import resolve_device
    from s4former.inference.plans import make_plan

    require_device(device)
    flip, scales = parse_tta(tta)
    options = Options(overlay=overlay, confidence=confidence, probs=probs, flip=flip, scales=scales)
    plan = make_plan(model, sources, out, options, csv=csv, coco=coco)
    first = os.environ.get("RANK", "0") == "0"
    if first and plan.passed_over:
        typer.echo(f"passed over {plan.passed_over} pictures that s4former wrote", err=True)
    if first and plan.done:
        typer.echo(f"{len(plan.done)} of {len(plan.items)} are complete from before", err=True)

    import torch

    from s4former.cli.screen import image_bar
    from s4former.engine.distributed import joined, own_device
    from s4former.engine.memory import lack_of_memory
    from s4former.inference.jobs import run_plan
    from s4former.inference.predict import Model

    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    with joined() if several else nullcontext():
        if several:
            device = str(own_device(torch.device(resolve_device(device))))
        network = Model.load(model, device)
        with image_bar("predicting", sum(item.frames or 1 for item in plan.todo), shown=first) as advance:
            summary = run_plan(
                plan, network, workers=workers, lack_of_memory=lack_of_memory, on_images=advance
            )
    if first:
        _print(summary, network.card.names, len(plan.items) + len(plan.failures), len(plan.todo), out)
    if summary.failures:
        raise DataError("\n".join(["some images could not be read:", *summary.failures]))


def _print(summary: Summary, names: tuple[str, ...], files: int, done: int, out: Path) -> None:
    """Print which classes there are, and where to look first."""
    from s4former.engine.tables import print_table, table_of

    console, images = Console(), summary.images
    if images:
        pixels = [sum(image.pixels[index] for image in images) for index in range(len(names))]
        absent = [name for name, count in zip(names, pixels, strict=True) if not count]
        caption = f"in no image: {', '.join(absent)}" if absent else None
        title = f"classes in {len(images)} images"
        table = table_of(["class"], ["share of pixels %", "images with it"], title=title, caption=caption)
        for index, name in sorted(enumerate(names), key=lambda pair: -pixels[pair[0]]):
            holders = sum(1 for image in images if image.pixels[index])
            if holders:
                table.add_row(name, f"{100 * pixels[index] / sum(pixels):.1f}", str(holders))
        print_table(console, table)
        table = table_of(["image"], ["mean confidence %"], title="least sure of")
        for image in sorted(images, key=lambda image: image.mean_confidence)[:_LEAST_SURE]:
            table.add_row(image.name, f"{100 * image.mean_confidence:.0f}")
        print_table(console, table)
    speed = f", {done / summary.seconds:.1f} images/s" if done and summary.seconds else ""
    typer.echo(f"{files - len(summary.failures)} of {files} images{speed}: {out}")
