"""Saving what a run needs to go on, so that a crash at any moment leaves something to go on from."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any, BinaryIO, cast
from zipfile import BadZipFile, ZipFile

import torch
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from s4former import collectives
from s4former.config.errors import NumericError, UserError
from s4former.config.invocation import invocation
from s4former.config.record import checksum, read_json, write_atomically, write_json
from s4former.data.split_lists import first_few
from s4former.engine.rows import in_one_piece, own_part, united
from s4former.models.weight_files import first_line, non_finite, require_finite, require_not_packed

_logger = logging.getLogger(__name__)
_KEPT = 2
_NAME = re.compile(r"step_\d{8,}(-\d{5,}-of-\d{5,})?\.pt")


@dataclass(frozen=True)
class _File:
    file: Annotated[str, Field(pattern=r"^step_\d+(-\d+-of-\d+)?\.pt$")]  # beside the index, nowhere else
    size: int
    sha256: str


@dataclass(frozen=True)
class _Entry(_File):
    step: int
    others: tuple[_File, ...] = ()

    @classmethod
    def of(cls, step: int, files: Sequence[_File]) -> _Entry:
        first, *others = files
        return cls(first.file, first.size, first.sha256, step, tuple(others))

    @property
    def files(self) -> tuple[_File, ...]:
        return (self, *self.others)


_ENTRIES = TypeAdapter(list[_Entry])


class _NoStateError(Exception):
    """A file whose sums are right is none of a saved state."""


class Checkpoints:
    """The saved states of a run, in its ``checkpoint/``: the newest and the one before it.

    A state is a dict of plain tensors, numbers, texts, lists and dicts, in a file; if weights are sharded, in
    a file a process, each with its rows. ``index.json`` names the complete states, newest first, with sizes
    and checksums of their files; it is replaced once all files of a new one are on the disk.
    """

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder / "checkpoint"

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Save the state after ``step`` updates; the one before the previous is deleted.

        Of several processes all have to call it. Process 0 writes, or each its part of sharded tensors.

        Raises:
            NumericError: If it holds a NaN or an infinity, as weights do that moved too far.
            UserError: If it cannot be written; the states before it are kept.
        """
        shared = collectives.any_sharded(tensor for _, tensor in _tensors(state))
        parts = collectives.world_size() if shared else 1
        mine: _File | None = None
        with collectives.raise_on_all_ranks(), self._explaining(step):
            if collectives.rank() < parts:
                mine = self._write(step, own_part(state) if parts > 1 else state, parts)
        files = [file for file in collectives.gathered(mine) if file is not None]

        def listed() -> None:
            with self._explaining(step):
                self._list(_Entry.of(step, files))

        collectives.on_rank0(listed)

    @contextmanager
    def _explaining(self, step: int) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:  # of a full disk, torch raises the latter
            before = self.newest_step()
            kept = "No state was saved before" if before is None else f"The one after step {before} is kept"
            raise UserError(
                f"cannot save the state after step {step} in {self.folder}: {error}. {kept}. Make room on "
                f"the disk ({_KEPT + 1} states at a time), then {invocation().resume}"
            ) from error

    def _write(self, step: int, state: Mapping[str, Any], parts: int) -> _File:
        """Write this process's file."""
        if bad := non_finite(_learned(state)):
            raise NumericError(
                f"after step {step}, {len(bad)} tensors hold values that are no numbers (NaN or infinite), "
                f"as {first_few(bad, 3)}, so this state is not saved. {self.kept()} Start another run with a "
                f"smaller optimizer.lr and a new {invocation().out}"
            )
        part = f"-{collectives.rank() + 1:05d}-of-{parts:05d}" if parts > 1 else ""
        path = self.folder / f"step_{step:08d}{part}.pt"
        write_atomically(path, partial(_write, state))
        return _File(path.name, path.stat().st_size, checksum(path))

    def _list(self, new: _Entry) -> None:
        """Make a state whose files are all on the disk the newest one."""
        # Later ones are of a time that is lived again, since the newest was damaged.
        before = self._index()
        kept = [new, *(entry for entry in before if entry.step < new.step)][:_KEPT]
        write_json(self.folder / "index.json", _ENTRIES.dump_python(kept, mode="json", exclude_defaults=True))
        named = {file.file for entry in kept for file in entry.files}
        for path in self._outlived(before, named):
            path.unlink()

    def _outlived(self, before: Sequence[_Entry], kept: Collection[str]) -> Iterator[Path]:
        """Yield the other states that were listed, and those that a killed process left without listing them.

        Whatever else is called ``step_*.pt`` is somebody's own: a kept copy, or a file of another program.
        """
        listed = {file.file for entry in before for file in entry.files}
        newest = before[0].step if before else 0
        for path in self.folder.glob("step_*.pt"):
            if path.name in kept or not _NAME.fullmatch(path.name):
                continue
            step, _ = _step_and_parts(path)
            if path.name in listed or (step >= newest and _holds_state(path, step)):
                yield path

    def newest_step(self) -> int | None:
        """Return the step of the newest state, None if nothing was ever saved."""
        entries = self._index()
        return entries[0].step if entries else None

    def kept(self) -> str:
        """Return a sentence on what there is to go back to."""
        step = self.newest_step()
        if step is None:
            return "No state had been saved yet."
        return f"The state after step {step} is kept in {self.folder}."

    def load(
        self,
        map_location: str,
        in_pieces: bool = False,
        problem: Callable[[Any], str | None] = lambda content: None,
    ) -> dict[str, Any] | None:
        """Return the newest complete state, or None if nothing was ever saved.

        A damaged file is passed over with a warning.

        Args:
            map_location: The device of its tensors.
            in_pieces: Return as `Rows` what several processes saved of a tensor, and read from the disk only
                what is asked for.
            problem: Returns what is wrong with the content of a file, which then counts as damaged.

        Raises:
            UserError: If states were saved but none is complete.
            NumericError: If the state holds a NaN or an infinity; one before it would come to the same.
        """
        entries = self._index()
        for entry in entries:
            damaged = next((file for file in entry.files if not self._is_whole(file)), None)
            if damaged is not None:
                what = f"{self.folder / damaged.file} is missing or damaged"
            else:
                try:
                    state = self._united(entry, map_location, in_pieces, problem)
                    return state if in_pieces else in_one_piece(state)
                except _NoStateError as error:
                    what = str(error)
            _logger.warning("%s; going back to the state saved before it", what)
        if entries or (self.folder / "index.json").exists():
            raise UserError(
                f"no complete checkpoint is left in {self.folder}; start again with another "
                f"{invocation().out}"
            )
        return None

    def _united(
        self, entry: _Entry, map_location: str, in_pieces: bool, problem: Callable[[Any], str | None]
    ) -> dict[str, Any]:
        """Return the state in the files of an entry, whose sums are right."""
        paths = [self.folder / file.file for file in entry.files]
        parts = []
        for path in paths:
            part = _read(path, map_location, in_pieces or len(paths) > 1)
            if wrong := problem(part):
                raise _NoStateError(f"{path} holds no saved state ({wrong})")
            require_finite(_learned(part), str(path))
            parts.append(part)
        try:
            return united(parts) if len(parts) > 1 else parts[0]
        except (KeyError, TypeError, AttributeError):
            raise _NoStateError(f"the parts of a state from {paths[0]} on do not go together") from None

    def _is_whole(self, file: _File) -> bool:
        path = self.folder / file.file
        try:
            return path.stat().st_size == file.size and checksum(path) == file.sha256
        except OSError:
            return False

    def _index(self) -> list[_Entry]:
        index = self.folder / "index.json"
        try:
            return _ENTRIES.validate_python(read_json(index)) if index.is_file() else []
        except (OSError, ValueError):
            _logger.warning("%s is damaged; the states beside it are looked at one by one", index)
            return list(self._without_index())

    def _without_index(self) -> Iterator[_Entry]:
        """Yield the states that are whole by the sums that torch's own format has, newest first."""
        paths = sorted(self.folder.glob("step_*.pt"), reverse=True)
        for (step, parts), several in groupby(filter(_is_archive, paths), _step_and_parts):
            files = [_File(path.name, path.stat().st_size, checksum(path)) for path in several]
            if len(files) == parts:
                yield _Entry.of(step, files[::-1])


def _step_and_parts(path: Path) -> tuple[int, int]:
    """Return the step of a state, and in how many files it is, by the name of one of them."""
    step, _, part = path.stem.removeprefix("step_").partition("-")
    return int(step), int(part.rpartition("-")[2] or 1)


def _is_archive(path: Path) -> bool:
    """Whether a file is named as a state is, and no byte of it is damaged."""
    try:
        _step_and_parts(path)
        with ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, ValueError, BadZipFile):
        return False


def _holds_state(path: Path, step: int) -> bool:
    """Whether a file is a state after that step, or a process's part of one."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return bool(state["state"]["step"] == step)
    except Exception:  # on the files of others torch raises nearly anything
        return False


def _write(state: Mapping[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        disk = _Disk(file)
        try:
            torch.save(state, cast(Any, disk))
        except RuntimeError as error:
            raise disk.error or error from None


class _Disk:
    """A file that remembers why it could not be written; torch says "unexpected pos" instead."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.flush = file, file.flush
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write, or remember why not."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise


def _read(path: Path, map_location: str, mapped: bool) -> Any:
    require_not_packed(path)
    try:
        return torch.load(path, map_location=map_location, weights_only=True, mmap=mapped)
    except (RuntimeError, MemoryError) as error:  # its checksum is right, so it is the memory
        raise UserError(f"cannot load the saved state {path}: {first_line(error)}") from error
    except UnpicklingError:
        raise UserError(
            f"the saved state {path} holds more than tensors and plain data, and reading it could run code: "
            f"s4former did not write it. Start again with another {invocation().out}"
        ) from None


def _learned(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return dict(_tensors({name: state[name] for name in ("method", "optimizer") if name in state}))


def _tensors(state: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield all tensors in nested containers, by the names of their places."""
    if isinstance(state, torch.Tensor):
        yield name, state
    elif isinstance(state, Mapping | list | tuple):
        items = state.items() if isinstance(state, Mapping) else enumerate(state)
        for key, value in items:
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
