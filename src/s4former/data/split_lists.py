"""Split lists: text files that say which images are labeled, unlabeled or held out."""

from __future__ import annotations

import codecs
import os
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from s4former.config.errors import DataError
from s4former.config.record import write_text
from s4former.config.regular import read_bytes
from s4former.data.published_lists import PUBLISHERS

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
EXPECTED = f"expected files that end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
"""What to say where there is none."""

_ENDING = "|".join(re.escape(suffix) for suffix in SUFFIXES)
_PAIR = re.compile(rf"(.+(?:{_ENDING})[\"']?)(?:\s*[,;]\s*|\s+)(.+(?:{_ENDING})[\"']?)", re.IGNORECASE)
_SHOWN = 300
"""Characters of a name that a message shows; no file system takes a longer one."""
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Entry:
    """One line of a split list: the id of an image and, where the line names a mask too, that of its mask."""

    image: str
    mask: str | None = None


def composed(text: str) -> str:
    """Return a text with an accent and its letter as one: systems write both ways, which look alike."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def normal(path: str) -> str:
    """Return a path in the one form in which paths are compared.

    Slashes lean forward, accents are composed, and ``./``, ``../`` and a slash at the start are dropped.
    """
    path = posixpath.normpath(composed(path).replace("\\", "/")).lstrip("/")
    while path.startswith("../"):
        path = path[3:]
    return path


def strip_suffix(path: str) -> str:
    """Return a path in its `normal` form without the ending of an image file, if it has one."""
    stem, ending = posixpath.splitext(normal(path))
    return stem if ending.lower() in SUFFIXES else stem + ending


def read_split(path: Path) -> tuple[Entry, ...]:
    """Read a split list: a line is an id, a file name, or ``image mask`` (both with their endings).

    Names may hold spaces and stand in quotes; empty lines don't count.

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
        content = read_bytes(path)
        lines = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"cannot read the split list {path}: it is not UTF-8 text; save it in that encoding"
        ) from error
    except (OSError, ValueError) as error:  # the latter: a NUL in its name
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
    """Write a split list, one id a line.

    Raises:
        DataError: If a name does not fit on a line.
    """
    text = list_text(ids)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def list_text(ids: Iterable[str]) -> str:
    """Return the text of a split list, one id a line.

    Raises:
        DataError: If a name does not fit on a line.
    """
    lines = list(ids)
    require_lines(lines)
    return "".join(f"{id}\n" for id in lines)


def require_lines(names: Iterable[str]) -> None:
    """Refuse names that would not be read from a list as they were written to it.

    Raises:
        DataError: If one holds a line break, starts or ends with a space, or is not UTF-8.
    """
    lines = list(names)
    odd = [name for name in lines if [line.strip() for line in name.splitlines()] != [name]]
    if odd:
        shown = first_few([ascii(name) for name in odd], 3)
        raise DataError(
            f"a list has a name a line, and {shown} would not be read from "
            "it: names may hold no line break, and neither start nor end with a space; rename the image"
        )
    require_utf8(lines)


def require_utf8(names: Iterable[str]) -> None:
    """Refuse names of files that no text can hold.

    Raises:
        DataError: If one is not UTF-8.
    """
    odd = [name for name in names if not name.isascii() and _is_bytes(name)]
    if odd:
        shown = [os.fsencode(name).decode("utf-8", "backslashreplace") for name in odd]
        raise DataError(
            f"the file name {first_few(shown, 3)} is not UTF-8, so it cannot be written down; rename the file"
        )


def _is_bytes(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False


def first_few(names: Sequence[str], limit: int = 5) -> str:
    """Return the names for a message: at most ``limit`` of them, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(_shortened, names[:limit])) + more


def _shortened(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[: _SHOWN // 2]}... ({len(name):,} characters)"


def parse_line(line: str) -> Entry:
    """Return what one line of a split list says."""
    pair = _PAIR.fullmatch(line)
    names = [line] if pair is None else [pair[1], pair[2]]
    return Entry(*(strip_suffix(_unquoted(name.strip())) for name in names))


def _unquoted(name: str) -> str:
    quoted = len(name) > 2 and name[0] == name[-1] and name[0] in "\"'"
    return name[1:-1].strip() if quoted else name
