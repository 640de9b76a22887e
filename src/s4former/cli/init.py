"""``s4former init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from s4former.cli.bars import bars
from s4former.cli.screen import say

if TYPE_CHECKING:
    from s4former.data.dataset_yaml.describe import Description


def init(
    images: Annotated[list[Path], typer.Argument(help="Folders of images, with or without masks.")],
    masks: Annotated[
        Path | None,
        typer.Option(
            help="Folder of masks, or annotations: COCO, labelme, CVAT, Label Studio, YOLO.",
            show_default="looked for among the images",
        ),
    ] = None,
    val: Annotated[
        str | None,
        typer.Option(
            help="Share of the labeled images to validate on, or a folder with images and masks.",
            show_default="0.2 of 10 labeled images or more",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("dataset.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
) -> None:
    """Look at your images and masks, and write a dataset.yaml that trains as it is.

    Example: s4former init photos --masks masks --val 0.2
    """
    from s4former.config.errors import UserError
    from s4former.config.outputs import claim
    from s4former.data.dataset_yaml.describe import describe
    from s4former.data.dataset_yaml.text import dataset_text

    val_list = out.with_name(f"{out.stem}_val.txt")
    outputs = claim(
        [(out, "the data set"), (val_list, "the list of val images")],
        "description of a data set",
        instead="--out writes elsewhere; --force replaces what this command wrote, and nothing else",
        edited=True,
    )
    present = [path for path in (out, val_list) if path.exists()]
    if present and not force:
        raise UserError(f"{present[0]} exists; --force replaces it, --out writes elsewhere")
    with bars() as report:
        description = describe(images, masks, _val(val), out.parent, val_list.name, report)
    if description.val_ids:
        outputs.write_text(val_list, "".join(f"{id}\n" for id in description.val_ids))
    outputs.write_text(out, dataset_text(description.file))
    _say(description, out)


def _val(text: str | None) -> Path | float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return Path(text)


def _say(description: Description, out: Path) -> None:
    console = Console(highlight=False)
    for line in description.found:
        say(console, "found    ", line)
    for line in description.decided:
        say(console, "decided  ", line)
    say(console, "wrote    ", f"{out}: have a look, it has comments")
    if description.val_ids:
        say(
            console,
            "         ",
            f"{out.stem}_val.txt: the images to validate on ({len(description.val_ids)})",
        )
    say(console, "next:    ", f"s4former check {out}")
    say(console, "         ", f"s4former train {out}")
