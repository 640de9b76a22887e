"""``s4former label``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from s4former.cli.arguments import Device, require_device
from s4former.cli.screen import bars, say

if TYPE_CHECKING:
    from s4former.curation.label import Labeled, Labeler

_SHOWN = 5


def label(
    model: Annotated[Path, typer.Argument(help="A run folder; or a model, which knows none of your masks.")],
    images: Annotated[list[str], typer.Argument(help="Files, folders (searched through) and globs.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for masks, lists and annotations.")],
    threshold: Annotated[
        str, typer.Option(help="Least probability of a pixel that is kept, or auto: a rule for each class.")
    ] = "auto",
    next_: Annotated[
        int, typer.Option("--next", min=0, help="How many images to name that are worth labeling next.")
    ] = 20,
    device: Device = "auto",
) -> None:
    """Label the rest of your images: masks in your values, for people to correct, and which to label next.

    Pixels that the model is not sure of stay unknown. DIR/dataset.yaml trains as it is; your masks go before
    machine-made ones. coco.json and labelme/ are for drawing tools.
    """
    from s4former.config.errors import DataError
    from s4former.curation.label import Labeler, origin
    from s4former.engine.student import student_of
    from s4former.inference.inputs import find_images
    from s4former.inference.predict import Model

    least = _least(threshold)
    require_device(device)
    found = find_images(images)
    loaded = Model.load(model, device)
    labeler = Labeler(loaded, origin(model), out, student_of(model, loaded))
    labeler.claim(found.images)
    with bars() as report:
        thresholds = labeler.thresholds(least, report)
        done = labeler.label(thresholds, next_, report)
    if done.choices:
        _draw_sheet(labeler, done)
    _say(labeler, done, Console(highlight=False))
    failures = [*found.unreadable, *done.failures]
    if failures:
        raise DataError("\n".join(["some images could not be read:", *failures]))


def _least(threshold: str) -> float | None:
    if threshold == "auto":
        return None
    try:
        value = float(threshold)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise typer.BadParameter(
            f"expected auto or a number from 0 to 1, got {threshold}", param_hint="--threshold"
        )
    return value


def _draw_sheet(labeler: Labeler, done: Labeled) -> None:
    """Write the contact sheet of the images to label next."""
    from s4former.curation.label import SHEET
    from s4former.report.sheets import SHEET_CELLS, contact_sheet

    cells = []
    for rank, choice in enumerate(done.choices[:SHEET_CELLS], 1):
        item = done.machine[choice.index]
        image, mask = labeler.read(item)
        cells.append((f"{rank}. {item.image.stem}", image, mask, choice.reason))
    figure = contact_sheet(cells, labeler.encoder.classes)
    labeler.sheets.write(labeler.out / SHEET, lambda path: figure.savefig(path, format="png"))


def _say(labeler: Labeler, done: Labeled, console: Console) -> None:
    from s4former.config.invocation import program, typed
    from s4former.curation.label import COCO, DATASET, LABELME, MASKS, NEXT, SHEET
    from s4former.engine.tables import print_table

    out, classes = labeler.out, labeler.encoder.classes
    print_table(console, _table(labeler, done))
    say(console, "rule:     ", done.thresholds.rule)
    people, machine = sum(item.human for item in done.items), len(done.machine)
    given = "class indices" if classes.values is None else "your values"
    say(console, "masks:    ", f"{out / MASKS}: {machine} machine-made and {people} of yours, in {given}")
    if done.left_out[0]:
        say(console, "          ", f"{done.left_out[0]} images of val and test are left out")
    if labeler.source is None:
        say(
            console,
            "          ",
            "a model folder knows none of your masks; give the run folder, if there is one",
        )
    looks = "the teacher and its student" if labeler.other else "the image and its mirror image"
    say(console, "looks:    ", f"what two looks say was compared: {looks}")
    say(console, "correct:  ", f"{out / COCO} (CVAT, Label Studio) or {out / LABELME} (labelme)")
    for rank, choice in enumerate(done.choices[:_SHOWN], 1):
        head = "next:     " if rank == 1 else "          "
        say(console, head, f"{done.machine[choice.index].image.name}: {choice.reason}")
    if done.choices:
        say(console, "          ", f"all {len(done.choices)}: {out / NEXT}, as pictures: {out / SHEET}")
    say(console, "train:    ", typed(program(), ["train", str(out / DATASET)]))


def _table(labeler: Labeler, done: Labeled) -> Table:
    """Return what was kept of each class that was predicted."""
    from s4former.engine.tables import table_of

    columns = ["least probability", "pixels kept", "of those predicted"]
    table = table_of(["class"], columns, title="what was kept")
    for index, name in enumerate(labeler.encoder.classes.names):
        value, said, kept = done.thresholds.values[index], int(done.said[index]), int(done.kept[index])
        share = f"{100 * kept / said:.0f} %" if said else ""
        table.add_row(name, f"{value:.3f}" if value <= 1 else "none kept", f"{kept:,}", share)
    return table
