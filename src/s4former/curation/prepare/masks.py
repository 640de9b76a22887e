"""Writes index masks, many at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from s4former.config.record import write_atomically
from s4former.data.progress import Report
from s4former.data.sources.base import LabelImage
from s4former.data.sources.mask_files import decode_mask
from s4former.inference.overlay import index_picture
from s4former.types import IGNORE

_WORKERS = min(8, os.cpu_count() or 1)

ItemT = TypeVar("ItemT")


def write_mask(path: Path, labels: LabelImage, colors: Sequence[tuple[int, int, int]]) -> None:
    """Write class indices as a palette PNG, whole or not at all; 255 is white."""
    picture = index_picture(labels, [*colors, *[(0, 0, 0)] * (IGNORE - len(colors)), (255, 255, 255)])
    write_atomically(path, lambda temporary: picture.save(temporary, format="PNG"), synced=False)


def masks_from_annotations(
    folder: Path,
    meaning: Callable[[LabelImage, str], LabelImage],
    colors: Sequence[tuple[int, int, int]],
    report: Report,
) -> int:
    """Write ``masks/PART/NAME.png`` for each ``annotations/PART/NAME.png``, but for those that are there.

    Args:
        folder: Holds both.
        meaning: Turns an annotation's values, with the file's name for errors, into class indices.
        colors: RGB color of each class, for the palette.
        report: Hears how many are done.

    Returns:
        How many masks were written.
    """

    def make(annotation: Path) -> None:
        labels = meaning(decode_mask(annotation).astype(np.uint8), str(annotation))
        write_mask(mask_of(annotation), labels, colors)

    def mask_of(annotation: Path) -> Path:
        return folder / "masks" / annotation.relative_to(folder / "annotations")

    annotations = sorted((folder / "annotations").glob("*/*.png"))
    return for_each([one for one in annotations if not mask_of(one).exists()], make, "writing masks", report)


def for_each(items: Sequence[ItemT], work: Callable[[ItemT], object], what: str, report: Report) -> int:
    """Do the same work for each item, several at a time; the first failure stops it.

    Returns:
        How many items there were.
    """
    with ThreadPoolExecutor(_WORKERS) as pool:  # decoders and compressors let go of the interpreter
        for number, _ in enumerate(pool.map(work, items)):
            report(what, number + 1, len(items))
    return len(items)
