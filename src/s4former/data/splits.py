"""Split lists: text files that say which images are labeled, unlabeled or held out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from s4former.config.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""Endings of image files that are read, in lower case; files may use either case."""

_ENDING = "|".join(re.escape(suffix) for suffix in SUFFIXES)
_PAIR = re.compile(rf"(.+(?:{_ENDING}))\s+(.+(?:{_ENDING}))", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One line of a split list: the id of an image and, where the line names a mask too, that of its mask."""

    image: str
    mask: str | None = None


def strip_suffix(path: str) -> str:
    """Return ``path`` with forward slashes and without the ending of an image file, if it has one."""
    pure = PurePosixPath(path.replace("\\", "/"))
    return str(pure.with_suffix("")) if pure.suffix.lower() in SUFFIXES else str(pure)


def read_split(path: Path) -> tuple[Entry, ...]:
    """Read a split list: a line is an id, a file name, or ``image mask`` (both with their endings).

    Names may hold spaces; empty lines don't count.

    Raises:
        DataError: If the file cannot be read, is empty, or names an image twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the split list {path}: {error}") from error
    entries = tuple(_entry(line.strip()) for line in lines if line.strip())
    if not entries:
        raise DataError(f"the split list {path} is empty; expected one image id a line")
    seen: set[str] = set()
    twice = [entry.image for entry in entries if entry.image in seen or seen.add(entry.image)]  # type: ignore[func-returns-value]
    if twice:
        raise DataError(
            f"the split list {path} names {first_few(twice)} more than once; remove the repeated lines"
        )
    return entries


def write_split(path: Path, ids: Iterable[str]) -> None:
    """Write a split list, one id a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{id}\n" for id in ids), encoding="utf-8")


def first_few(names: list[str], limit: int = 5) -> str:
    """Return the names for a message: at most ``limit`` of them, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _entry(line: str) -> Entry:
    pair = _PAIR.fullmatch(line)
    if pair is None:
        return Entry(strip_suffix(line))
    return Entry(strip_suffix(pair[1]), strip_suffix(pair[2]))
