"""Looks at files in several threads, and remembers what was seen of each until the file changes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from s4former.config.record import write_text
from s4former.config.regular import not_regular
from s4former.curation.check.facts import ImageFacts, MaskFacts
from s4former.data.progress import Report, silent

VERSION = 3
"""Of the facts: it goes up when the same file gives other ones."""
_AT_ONCE = 256
_THREADS = min(16, os.cpu_count() or 1)
"""Threads suffice, as decoders and NumPy let others run; each may hold a whole decoded image."""


F = TypeVar("F", ImageFacts, MaskFacts)
K = TypeVar("K", Path, str)


class FactsStore(Generic[K, F]):
    """Facts of files of one kind, called by their paths, or by strings if they are no files of their own.

    They are kept in a text file, a line a file, and hold as long as the file's stamp and the settings it was
    looked at with stay the same. If the store cannot be read or written, all files are looked at, that is
    all. Files that could not be read are looked at again each time: the reason may be gone though the file is
    the same.

    Args:
        path: The store.
        kind: Class of the facts.
        settings: What the facts depend on besides the files.
        root: Folder that the store calls files from, so that all may be moved together.
        stamp: What changes as soon as a file does; by default its size and time of change.

    Attributes:
        fresh: How many files were looked at and not known.
    """

    def __init__(
        self,
        path: Path,
        kind: type[F],
        settings: object,
        root: Path,
        stamp: Callable[[K], list[int]] | None = None,
    ) -> None:
        self._path, self._root = path, root
        self._stamp: Callable[[K], list[int]] = stamp or _stamp
        self._kind: TypeAdapter[F] = TypeAdapter(kind)
        self._settings = f"{VERSION} {settings}"
        self._stored: dict[str, tuple[list[int], F]] | None = None
        self.fresh = 0

    def known(self, files: Iterable[K]) -> dict[K, F]:
        """Return the facts of those files that were seen before and did not change since."""
        stored, found = self._load(), dict[K, F]()
        for file in files:
            stamp, facts = stored.get(seen_from(file, self._root), (None, None))
            if facts is not None and stamp == self._stamp(file):
                found[file] = facts
        return found

    def look(
        self,
        files: Iterable[K],
        look: Callable[[K], F],
        what: str,
        report: Report = silent,
        forget: bool = True,
    ) -> dict[K, F]:
        """Return the facts of each file; what was seen is stored, even if this is interrupted.

        Args:
            files: The files.
            look: Opens a file; called in threads.
            what: What is being done, for ``report``.
            report: Hears how far it is.
            forget: Store nothing of other files any more.
        """
        wanted = list(dict.fromkeys(files))
        stamps = {file: self._stamp(file) for file in wanted}
        found = self.known(wanted)
        unknown = [file for file in wanted if file not in found]
        self.fresh += len(unknown)
        try:
            with ThreadPoolExecutor(_THREADS) as pool:
                for start in range(0, len(unknown), _AT_ONCE):
                    some = unknown[start : start + _AT_ONCE]
                    for file, facts in zip(some, pool.map(look, some), strict=True):
                        found[file] = facts
                        report(what, len(found), len(wanted))
        finally:
            if unknown:
                self._save(found, stamps, {} if forget else self._load())
        return {file: found[file] for file in wanted}

    def _load(self) -> dict[str, tuple[list[int], F]]:
        if self._stored is not None:
            return self._stored
        self._stored = {}
        if not_regular(self._path):
            return self._stored
        with (
            suppress(OSError, ValueError, TypeError, StopIteration, RecursionError),
            self._path.open(encoding="utf-8") as lines,
        ):
            if json.loads(next(lines)) == {"facts": self._settings}:
                entries = (json.loads(line) for line in lines)
                self._stored = {
                    name: (stamp, self._kind.validate_python(facts)) for name, stamp, facts in entries
                }
        return self._stored

    def _save(
        self,
        found: Mapping[K, F],
        stamps: Mapping[K, list[int]],
        others: Mapping[str, tuple[list[int], F]],
    ) -> None:
        self._stored = dict(others)
        for file, facts in found.items():
            if facts.error is None:
                self._stored[seen_from(file, self._root)] = stamps[file], facts
        lines = [json.dumps({"facts": self._settings})]
        lines += [json.dumps([name, stamp, asdict(facts)]) for name, (stamp, facts) in self._stored.items()]
        with suppress(OSError):  # a folder that cannot be written to
            write_text(self._path, "\n".join(lines) + "\n")


def seen_from(file: Path | str, root: Path) -> str:
    """Return a path as seen from a folder, or in full if it lies far from there or is an address."""
    name, prefix = str(file), f"{root}{os.sep}"
    if "://" in name:
        return name
    if name.startswith(prefix):  # the usual case, many times as fast
        return name[len(prefix) :]
    try:
        name = os.path.relpath(file, root)
    except ValueError:  # on another drive
        return str(file)
    return str(file) if name.startswith(f"..{os.sep}..") else name


def _stamp(file: Path | str) -> list[int]:
    try:
        status = os.stat(file)
    except OSError:
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]
