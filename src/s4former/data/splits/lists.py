"""Split lists: text files that say which images are labeled, unlabeled or held out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from s4former.config.errors import DataError
from s4former.data.splits.published import PUBLISHERS

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jfif",
    ".png",
    ".webp",
    ".avif",
    ".bmp",
    ".gif",
    ".jp2",
    ".tif",
    ".tiff",
    ".npy",
)
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
    entries = tuple(parse_line(line) for line in split_lines(path))
    twice = repeated(entry.image for entry in entries)
    if twice:
        raise DataError(
            f"the split list {path} names {first_few(twice)} more than once; remove the repeated lines"
        )
    return entries


def split_lines(path: Path) -> list[str]:
    """Return the lines of a split list that hold something.

    Raises:
        DataError: If the file cannot be read or is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"cannot read the split list {path}: it is not UTF-8 text; save it in that encoding"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read the split list {path}: {error}{_how_to_get(path)}") from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise DataError(f"the split list {path} is empty; expected one image id a line")
    return found


def _how_to_get(path: Path) -> str:
    """Say what puts a published list where it is looked for, if the file is missing there."""
    for name, publisher in () if path.exists() else PUBLISHERS.items():
        for target in (PurePosixPath(each.target) for each in publisher.lists):
            if path.parts[-len(target.parts) :] == target.parts:
                root = Path(*path.parts[: -len(target.parts)])
                return f"; it is published: type `s4former splits fetch {name} --root {root}`"
    return ""


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once, in the order of their first."""
    return [name for name, count in Counter(names).items() if count > 1]


def write_split(path: Path, ids: Iterable[str]) -> None:
    """Write a split list, one id a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{id}\n" for id in ids), encoding="utf-8")


def first_few(names: list[str], limit: int = 5) -> str:
    """Return the names for a message: at most ``limit`` of them, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def parse_line(line: str) -> Entry:
    """Return what one line of a split list says."""
    pair = _PAIR.fullmatch(line)
    if pair is None:
        return Entry(strip_suffix(line))
    return Entry(strip_suffix(pair[1]), strip_suffix(pair[2]))
