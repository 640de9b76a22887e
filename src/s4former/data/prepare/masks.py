"""Writes index masks, many at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from PIL import Image

from s4former.data.progress import Report
from s4former.data.sources.base import LabelImage

_WORKERS = min(8, os.cpu_count() or 1)

ItemT = TypeVar("ItemT")


def write_mask(path: Path, labels: LabelImage, colors: Sequence[tuple[int, int, int]]) -> None:
    """Write class indices as a palette PNG, whole or not at all; 255 is white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels)
    palette = [value for color in colors for value in color]
    picture.putpalette(palette + [0] * (765 - len(palette)) + [255] * 3)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        picture.save(temporary, format="PNG")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def for_each(items: Sequence[ItemT], work: Callable[[ItemT], object], what: str, report: Report) -> int:
    """Do the same work for each item, several at a time; the first failure stops it.

    Returns:
        How many items there were.
    """
    with ThreadPoolExecutor(_WORKERS) as pool:  # decoders and compressors let go of the interpreter
        for number, _ in enumerate(pool.map(work, items)):
            report(what, number + 1, len(items))
    return len(items)
