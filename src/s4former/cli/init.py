"""``s4former init``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from s4former.cli.screen import bars, say

if TYPE_CHECKING:
    from s4former.config.outputs import Outputs
    from s4former.curation.init.describe import Description

Files = tuple[Path, Path]
"""A data set, and the list of its val images."""
_AFFIXES = ("image_prefix", "image_suffix", "mask_prefix", "mask_suffix")
_WHAT = ("the data set", "the list of val images")


def init(
    images: Annotated[list[Path], typer.Argument(help="Folders of images, with or without masks.")],
    masks: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of masks, or annotations: COCO, labelme, CVAT, Label Studio, YOLO. Several: one "
            "for each folder of images, in the same order.",
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
    folds: Annotated[
        int, typer.Option(min=0, help="Write so many data sets, each of which holds out other images.")
    ] = 0,
    annotations_format: Annotated[
        str | None,
        typer.Option(
            help="What the annotations are: coco, cvat, label_studio, labelme, yolo, mask_files (a mask for "
            "each class or object), or the import path of a format of your own.",
            show_default="found out from the files",
        ),
    ] = None,
    image_prefix: Annotated[str, typer.Option(help="Start of every image's name.")] = "",
    image_suffix: Annotated[str, typer.Option(help="End of every image's name, as _rgb or .jpg.")] = "",
    mask_prefix: Annotated[str, typer.Option(help="Start that only masks' names have.")] = "",
    mask_suffix: Annotated[str, typer.Option(help="End that only masks' names have, as _mask or .png.")] = "",
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("dataset.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
) -> None:
    """Look at your images and masks, and write a dataset.yaml that trains as it is.

    Example: s4former init photos --masks masks --val 0.2
    """
    from s4former.curation.init.describe import describe

    stems = [f"{out.stem}_fold{number}" for number in range(1, folds + 1)] or [out.stem]
    files = [(out.with_stem(stem), out.with_name(f"{stem}_val.txt")) for stem in stems]
    outputs = _claimed(files, force)
    given = zip(_AFFIXES, (image_prefix, image_suffix, mask_prefix, mask_suffix), strict=True)
    affixes = {name: text for name, text in given if text}
    with bars() as report:
        description = describe(
            images,
            masks,
            _val(val),
            out.parent,
            report,
            folds=folds,
            format=annotations_format,
            affixes=affixes,
        )
    _write(description, files, outputs)
    _say(description, files)


def _claimed(files: Sequence[Files], force: bool) -> Outputs:
    """Make sure that nobody's file is written over."""
    from s4former.config.errors import UserError
    from s4former.config.outputs import claim

    outputs = claim(
        [(path, what) for pair in files for path, what in zip(pair, _WHAT, strict=True)],
        "description of a data set",
        instead="--out writes elsewhere; --force replaces what this command wrote, and nothing else",
        edited=True,
    )
    present = [path for pair in files for path in pair if path.exists()]
    if present and not force:
        raise UserError(f"{present[0]} exists; --force replaces it, --out writes elsewhere")
    return outputs


def _write(description: Description, files: Sequence[Files], outputs: Outputs) -> None:
    from s4former.curation.init.text import dataset_text
    from s4former.data.dataset_yaml import LabeledFiles
    from s4former.data.split_lists import list_text

    lists = [list_text(ids) for ids in description.val_lists]
    for number, (file, val_list) in enumerate(files):
        found = description.file
        if description.val_lists:
            outputs.write_text(val_list, lists[number])
            found = found.model_copy(update={"val": LabeledFiles(list=val_list.name)})
        outputs.write_text(file, dataset_text(found))


def _val(text: str | None) -> Path | float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return Path(text)


def _say(description: Description, files: Sequence[Files]) -> None:
    console = Console(highlight=False)
    from s4former.config.invocation import program, typed

    command = program()
    for line in description.found:
        say(console, "found    ", line)
    for line in description.decided:
        say(console, "decided  ", line)
    say(console, "wrote    ", f"{', '.join(str(file) for file, _ in files)}: have a look, it has comments")
    for (_, val_list), ids in zip(files, description.val_lists, strict=False):
        say(console, "         ", f"{val_list.name}: the images to validate on ({len(ids)})")
    say(console, "next:    ", typed(command, ["check", str(files[0][0])]))
    for file, _ in files:
        say(console, "         ", typed(command, ["train", str(file)]))
