"""The files that a command writes: compared with all that is there before the first byte, and remembered.

A folder that was written into holds a ledger, ``.s4former-outputs.jsonl``: a line for each file with its
name, what it is, its size and its checksum. What it does not list, or what has changed since, is somebody's
own and is never replaced.
"""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from s4former.config.errors import UserError
from s4former.config.record import checksum, utf8, write_atomically
from s4former.config.regular import append, not_ours, read_text

LEDGER = ".s4former-outputs.jsonl"
MACHINE_MASK, HUMAN_MASK = "machine-made mask", "copy of a person's mask"
PICTURES = ("picture", "figure", "sheet", MACHINE_MASK, HUMAN_MASK)
"""Kinds of outputs that are no images to predict or to learn from, unlike the demo's scenes."""
_SHOWN = 3
_LONGEST_NAME = 255  # bytes; of every common file system


@dataclass(frozen=True)
class Entry:
    """A line of a ledger: a file as it was written."""

    name: str
    kind: str
    size: int
    mtime_ns: int
    sha256: str


class Ledgers:
    """What the ledgers of folders say; each is read once."""

    def __init__(self) -> None:
        self._known: dict[Path, dict[str, list[Entry]]] = {}

    def wrote(self, path: Path, *kinds: str, edited: bool = False) -> bool:
        """Return whether the package wrote a file, and nobody changed it since.

        Args:
            path: The file; links are not followed.
            kinds: What it has to be, one of them; none: anything.
            edited: Whether a file that was changed since will do as well.
        """
        try:
            found = path.lstat()
        except OSError:
            return False
        entries = self._of(path.parent).get(path.name, [])
        entries = [entry for entry in entries if not kinds or entry.kind in kinds]
        if not entries or not stat.S_ISREG(found.st_mode):
            return False
        alike = [entry for entry in entries if entry.size == found.st_size]
        if edited or any(entry.mtime_ns == found.st_mtime_ns for entry in alike):
            return True
        return bool(alike) and checksum(path) in {entry.sha256 for entry in alike}

    def note(self, path: Path, kind: str, written: Path) -> None:
        """Add a file that is about to get the content of ``written``; a line stays true if it never does."""
        found = written.stat()
        entry = Entry(path.name, kind, found.st_size, found.st_mtime_ns, checksum(written))
        self._of(path.parent).setdefault(path.name, []).append(entry)
        append(path.parent / LEDGER, json.dumps(asdict(entry)).encode())

    def _of(self, folder: Path) -> dict[str, list[Entry]]:
        if folder not in self._known:
            self._known[folder] = {}
            for entry in _read_ledger(folder / LEDGER):
                self._known[folder].setdefault(entry.name, []).append(entry)
        return self._known[folder]


class Outputs:
    """The files that a command may write: those that it claimed, atomically and noted in their ledger."""

    def __init__(self, places: Iterable[Path], kind: str, ledgers: Ledgers) -> None:
        self._places, self._kind, self._ledgers = frozenset(places), kind, ledgers

    def write(self, path: Path, fill: Callable[[Path], object], kind: str | None = None) -> None:
        """Let ``fill`` write a temporary file beside ``path``, note it, and move it there.

        Args:
            path: The file.
            fill: Writes the file that it is given.
            kind: What it is noted as; none: the kind that was claimed.
        """
        place = _place(path)
        if place not in self._places:
            raise RuntimeError(f"{path} was not claimed before it was written")

        def noted(temporary: Path) -> None:
            fill(temporary)
            self._ledgers.note(place, kind or self._kind, temporary)

        write_atomically(place, noted)

    def write_text(self, path: Path, text: str) -> None:
        """Write a text file.

        Raises:
            UserError: If it holds what no text can, as a file's name that is not UTF-8.
        """
        content = utf8(text, path)
        self.write(path, lambda temporary: temporary.write_bytes(content))


def claim(
    outputs: Iterable[tuple[Path, str]],
    kind: str,
    inputs: Iterable[Path] = (),
    *,
    instead: str,
    edited: bool = False,
    also: tuple[str, ...] = (),
) -> Outputs:
    """Make sure that each file to write gets a place of its own, before anything is written.

    Args:
        outputs: Each file, and what it is made of or is, for messages.
        kind: What they are; a file of another kind is not replaced.
        inputs: Files that are read.
        instead: What to type if this cannot be done.
        edited: Whether files that the package wrote may be replaced even if they were changed since.
        also: Other kinds that may be replaced.

    Raises:
        UserError: If two files have one place (also if case alone tells them apart and the disk does not
            care), a place is an input by any name or link, holds a folder or a file that the package did not
            write, or cannot be written to.
    """
    claims = Claims(kind, inputs, edited, also)
    problems = [problem for path, origin in outputs if (problem := claims.problem(path, origin))]
    problems += claims.folders_that_are_files()
    problems += claims.told_apart_by_case_alone()
    problems = list(dict.fromkeys(problems))
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        lines = "\n".join(f"  {problem}" for problem in [*problems[:_SHOWN], *more])
        raise UserError(f"nothing was written:\n{lines}\n{instead}")
    return Outputs(claims.planned, kind, claims.ledgers)


class Claims:
    """Outputs looked at one after the other; what is wrong with each is a sentence."""

    def __init__(self, kind: str, inputs: Iterable[Path], edited: bool, also: tuple[str, ...] = ()) -> None:
        self.planned: dict[Path, str] = {}
        self.ledgers = Ledgers()
        self._kind, self._kinds, self._edited = kind, (kind, *also), edited
        self._inputs = {identity for path in inputs if (identity := _identity(path))}
        self._parents: dict[Path, tuple[Path, str | None]] = {}

    def problem(self, path: Path, origin: str) -> str | None:
        """Return why a file cannot be written, None if it can."""
        if path.parent not in self._parents:
            resolved = _place(path).parent
            problem = folder_problem(resolved) or not_ours(resolved / LEDGER)
            self._parents[path.parent] = resolved, problem
        folder, problem = self._parents[path.parent]
        place = folder / path.name
        if place in self.planned:
            return f"{path} would be written for {self.planned[place]} and for {origin}"
        self.planned[place] = origin
        return problem or self._in_the_way(path, place)

    def _in_the_way(self, path: Path, place: Path) -> str | None:
        if len(os.fsencode(place.name)) > _LONGEST_NAME:
            return f"{path.name} is too long a name"
        try:
            found = place.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"{path} cannot be written: {error.strerror}"
        if _identity(place) in self._inputs:
            return f"{path} is one of the files that are read"
        if stat.S_ISDIR(found.st_mode):
            return f"{path} is a folder"
        if self.ledgers.wrote(place, *self._kinds, edited=self._edited):
            return None
        if self.ledgers.wrote(place, *self._kinds, edited=True):
            return f"{path} has been changed since s4former wrote it"
        return f"{path} is there already, and is no {self._kind} that s4former wrote"

    def folders_that_are_files(self) -> Iterator[str]:
        """Yield the outputs that others need as a folder."""
        nearest = {place.parent for place in self.planned}
        folders = nearest | {parent for folder in nearest for parent in folder.parents}
        return (f"{place} would be a file and a folder" for place in self.planned if place in folders)

    def told_apart_by_case_alone(self) -> Iterator[str]:
        """Yield pairs that are one file on their disk: names that differ in case or in Unicode's forms."""
        seen: dict[str, Path] = {}
        for place in self.planned:
            other = seen.setdefault(unicodedata.normalize("NFC", str(place)).casefold(), place)
            if other != place and same_on_disk(other, place):
                yield f"{other} and {place} are one file on this disk"


def same_on_disk(first: Path, second: Path) -> bool:
    """Return whether the disk takes two names for one; they differ at most in case or Unicode form."""
    parts = zip((*reversed(first.parents), first), (*reversed(second.parents), second), strict=True)
    one, two = next((one, two) for one, two in parts if one != two)
    try:
        with TemporaryDirectory(prefix=".s4former-", dir=_nearest(one.parent)) as scratch:
            (Path(scratch) / one.name).touch()
            return os.path.lexists(Path(scratch) / two.name)
    except OSError:
        return True


def _place(path: Path) -> Path:
    """Return where a file is written: links of its folder are followed, one in its own place is not."""
    return Path(os.path.realpath(path.parent)) / path.name


def _nearest(folder: Path) -> Path:
    """Return the first of a folder and its parents that is there."""
    return next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))


def folder_problem(folder: Path) -> str | None:
    """Return why nothing can be written into a folder, made if it is not there."""
    try:
        nearest = _nearest(folder)
    except OSError as error:
        return f"{folder} cannot be made: {error.strerror}"
    if not nearest.is_dir():
        return f"{nearest} is a file, and the folder {folder} is wanted"
    return None if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} is not yours to write to"


def _identity(path: Path) -> Hashable | None:
    """Return what two names of one file have in common, None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _read_ledger(path: Path) -> Iterator[Entry]:
    """Yield what a ledger lists; a broken line lists nothing, so that its file counts as somebody's own."""
    try:
        text = read_text(path, errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError, RecursionError):
            continue
        if isinstance(entry.name, str):
            yield entry
