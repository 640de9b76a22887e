"""Opening a data set for a run; masks made of annotations are kept beside its file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from s4former.config.errors import DataError
from s4former.config.trust import named_by
from s4former.curation.annotations.convert import convert
from s4former.curation.annotations.formats import FORMATS, detect_format
from s4former.data import sources
from s4former.data.config import DataConfig
from s4former.data.dataset_yaml import LabeledFiles
from s4former.data.sources import Source
from s4former.data.sources.matching import Found

CACHE = ".s4former"
"""Folder beside a ``dataset.yaml`` for what is made from it and can be made again."""


def annotated_masks(
    root: Path,
    name: str,
    split: LabeledFiles,
    found: Found,
    names: Sequence[str],
    outside: int,
    channels: int = 3,
    on_image: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the mask of each annotated image by its id, and what a person should know of them.

    They are made in ``.s4former`` if they are not there yet, or older than the annotations.

    Args:
        root: Folder of the ``dataset.yaml``.
        name: Of the split, for messages.
        split: Where the annotations are.
        found: The images.
        names: The classes in index order.
        outside: The value of pixels in no shape.
        channels: How many channels the images have.
        on_image: Called with the number of masks done and of all masks after each.

    Raises:
        DataError: If the annotations are in no known format, broken, or mean none of the images.
        UserError: If the format is code of others that only the data set names.
    """
    annotations = root / str(split.annotations)
    format = split.annotations_format or detect_format(annotations)
    if format is None:
        raise DataError(
            f"{annotations} is no annotation file that is read here; expected COCO, labelme, CVAT, Label "
            f"Studio or YOLO; write {name}.annotations_format if it is one of {', '.join(FORMATS.names())}"
        )
    images = {id: Path(file) for id, file in found.files.items()}
    which = hashlib.sha256(repr((split.annotations, split.images)).encode()).hexdigest()[:8]
    out = root / CACHE / "masks" / f"{annotations.stem}-{which}"
    with named_by(f"the data set in {root} ({name}.annotations_format)"):
        conversion = convert(
            annotations, format, images, names, outside, out, channels=channels, on_image=on_image
        )
    return {id: str(out / f"{id}.png") for id in conversion.ids}, conversion.notes


def open_source(config: DataConfig) -> Source:
    """Return the source that a config describes, after masks were made of its annotations, if it has any.

    Raises:
        DataError: If something of it is missing, or annotations are broken.
    """
    return sources.open_source(config, annotated_masks)
