"""The record of a conversion, by which a later call sees that nothing has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORD = "conversion.json"


@dataclass(frozen=True)
class Conversion:
    """Masks made from annotations.

    Attributes:
        ids: Images that have a mask now, sorted.
        notes: What a person should know of what was skipped or decided.
    """

    ids: tuple[str, ...]
    notes: tuple[str, ...]


def stamp(file: Path) -> list[int]:
    """Return what changes when a file does: its size, and when its content and its entry last changed.

    The latter can't be set back, as copying tools do with the former.
    """
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _read_record(out: Path) -> dict[str, Any]:
    """Return the record of an earlier conversion; an empty one if there is none or it is broken."""
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("masks"), dict) else {}


def recorded(out: Path, made_of: dict[str, Any], images: Mapping[str, Path]) -> Conversion | None:
    """Return an earlier conversion if nothing it was made of has changed and its masks are there."""
    record = _read_record(out)
    if record.get("made_of") != made_of:
        return None
    for id, before in record["masks"].items():
        image = images.get(id)
        mask = out / f"{id}.png"
        if image is None or not image.is_file() or not mask.is_file():
            return None
        if [*stamp(image), *stamp(mask)] != before:  # a mask that was drawn on is made anew, too
            return None
    return Conversion(tuple(record["masks"]), tuple(record.get("notes", ())))


def forget(out: Path, keep: set[str]) -> None:
    """Remove the record of an earlier conversion, and those of its masks that will not be made again."""
    for id in set(_read_record(out).get("masks", {})) - keep:
        mask = (out / f"{id}.png").resolve()
        if mask.is_relative_to(out.resolve()):
            mask.unlink(missing_ok=True)
    (out / RECORD).unlink(missing_ok=True)
