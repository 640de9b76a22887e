"""Lists folders of image files: each folder once, no file by itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from s4former.config.errors import DataError
from s4former.config.outputs import LEDGER, PICTURES, Ledgers
from s4former.data.split_lists import SUFFIXES

_OF_SYSTEMS = {"@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX"}
"""Folders that storage and systems make beside files: previews, deleted files, and parts of archives."""
_SETTLED = 2 * 10**9  # nanoseconds after which a folder's time of change tells every later change


@dataclass(frozen=True)
class _Folder:
    """What lies in one folder, as it was when it was listed.

    Attributes:
        images: Names of its image files, sorted.
        pictures: Those of them that this package wrote, as predictions beside the images.
        folders: Names of its folders, sorted.
        changed: Its time of change in nanoseconds; none: too fresh to be trusted later.
    """

    images: tuple[str, ...]
    pictures: frozenset[str]
    folders: tuple[str, ...]
    changed: int | None


_seen: dict[str, _Folder] = {}
"""What was listed by this process: settings are decided, data checked and batches drawn from one listing."""


def image_files(folder: Path, pictures: bool = False) -> Iterator[str]:
    """List the image files below a folder by their paths in it, sorted, but for what is hidden or a system's.

    No file of others is opened or asked for anything, and a folder that has not changed since this process
    listed it is not listed again. Links to folders are followed, but for those that lead back up.

    Args:
        folder: The folder.
        pictures: Whether to list what this package wrote too, as it may be learned from as masks.

    Raises:
        DataError: If a folder may not be listed.
    """
    if folder.is_dir():
        yield from _below(str(folder), "", {os.path.realpath(folder)}, pictures)


def _below(folder: str, prefix: str, parents: set[str], pictures: bool) -> Iterator[str]:
    here = _listed(folder)
    for name in here.images:
        if pictures or name not in here.pictures:
            yield prefix + name
    for name in here.folders:
        path = os.path.join(folder, name)
        real = os.path.realpath(path)
        if not any(f"{parent}/".startswith(f"{real}/") for parent in parents):
            yield from _below(path, f"{prefix}{name}/", parents | {real}, pictures)


def _listed(folder: str) -> _Folder:
    try:
        changed = os.stat(folder).st_mtime_ns
        known = _seen.get(os.path.abspath(folder))
        if known is None or known.changed != changed:
            known = _seen[os.path.abspath(folder)] = _list(folder, changed)
    except OSError as error:
        raise DataError(
            f"cannot list the folder {folder}: {error.strerror}; its owner can allow it"
        ) from None
    return known


def _list(folder: str, changed: int) -> _Folder:
    images, folders = [], []
    started = time.time_ns()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _OF_SYSTEMS:
                continue
            is_image = os.path.splitext(entry.name)[1].lower() in SUFFIXES
            # A link with an image's name is taken for one: asking where each leads takes minutes for 100,000.
            if is_image and (entry.is_symlink() or not entry.is_dir()):
                images.append(entry.name)
            elif entry.is_dir():
                folders.append(entry.name)
    settled = started - changed > _SETTLED
    ledgers = Ledgers()
    own = (name for name in images if ledgers.wrote(Path(folder, name), *PICTURES))
    pictures = frozenset(own if os.path.lexists(os.path.join(folder, LEDGER)) else ())
    return _Folder(tuple(sorted(images)), pictures, tuple(sorted(folders)), changed if settled else None)
