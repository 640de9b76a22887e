"""Saving what a run needs to go on, so that a crash at any moment leaves something to go on from."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any, BinaryIO, cast
from zipfile import BadZipFile, ZipFile

import torch
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from s4former.config.errors import NumericError, UserError
from s4former.config.invocation import invocation
from s4former.config.record import read_json, write_atomically, write_json
from s4former.data.split_lists import first_few
from s4former.models.weight_files import first_line, non_finite, require_finite

_logger = logging.getLogger(__name__)
_KEPT = 2


@dataclass(frozen=True)
class _Entry:
    file: Annotated[str, Field(pattern=r"^step_\d+\.pt$")]  # beside the index, and nowhere else
    step: int
    size: int
    sha256: str


_ENTRIES = TypeAdapter(list[_Entry])


class Checkpoints:
    """The saved states of a run, in its ``checkpoint/``: the newest and the one before it.

    A state is a dict of plain tensors, numbers, texts, lists and dicts. ``index.json`` names the complete
    files, newest first, with their sizes and checksums; it is replaced once a new file is on the disk.
    """

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder / "checkpoint"

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Save the state after ``step`` updates; the one before the previous is deleted.

        Raises:
            NumericError: If it holds a NaN or an infinity, as weights do that moved too far.
            UserError: If it cannot be written; the states before it are kept.
        """
        if bad := non_finite(_learned(state)):
            raise NumericError(
                f"after step {step}, {len(bad)} tensors hold values that are no numbers (NaN or infinite), "
                f"as {first_few(bad, 3)}, so this state is not saved. {self.kept()} Start another run with a "
                f"smaller optimizer.lr and a new {invocation().out}"
            )
        try:
            self._save(step, state)
        except (OSError, RuntimeError) as error:  # of a full disk, torch raises the latter
            before = self.newest_step()
            kept = "No state was saved before" if before is None else f"The one after step {before} is kept"
            raise UserError(
                f"cannot save the state after step {step} in {self.folder}: {error}. {kept}. Make room on "
                f"the disk ({_KEPT + 1} states at a time), then {invocation().resume}"
            ) from error

    def _save(self, step: int, state: dict[str, Any]) -> None:
        path = self.folder / f"step_{step:08d}.pt"
        write_atomically(path, partial(_write, state))
        new = _Entry(path.name, step, path.stat().st_size, _checksum(path))
        # Later ones are of a time that is lived again, since the newest was damaged.
        kept = [new, *(entry for entry in self._index() if entry.step < step)][:_KEPT]
        write_json(self.folder / "index.json", [vars(entry) for entry in kept])
        for file in self.folder.glob("step_*.pt"):
            if file.name not in {entry.file for entry in kept}:
                file.unlink()

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

    def load(self, map_location: str) -> dict[str, Any] | None:
        """Return the newest complete state, or None if nothing was ever saved.

        A damaged file is passed over with a warning.

        Raises:
            UserError: If states were saved but none is complete.
            NumericError: If the state holds a NaN or an infinity; one before it would come to the same.
        """
        entries = self._index()
        for entry in entries:
            if self._is_whole(entry):
                return _read(self.folder / entry.file, map_location)
            _logger.warning(
                "%s is missing or damaged; going back to the state saved before it", self.folder / entry.file
            )
        if entries or (self.folder / "index.json").exists():
            raise UserError(
                f"no complete checkpoint is left in {self.folder}; start again with another "
                f"{invocation().out}"
            )
        return None

    def _is_whole(self, entry: _Entry) -> bool:
        path = self.folder / entry.file
        try:
            return path.stat().st_size == entry.size and _checksum(path) == entry.sha256
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
        for path in sorted(self.folder.glob("step_*.pt"), reverse=True):
            try:
                with ZipFile(path) as archive:
                    whole = archive.testzip() is None
                if whole:
                    step = int(path.stem.removeprefix("step_"))
                    yield _Entry(path.name, step, path.stat().st_size, _checksum(path))
            except (OSError, ValueError, BadZipFile):
                continue


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


def _read(path: Path, map_location: str) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
    except (RuntimeError, MemoryError) as error:  # its checksum is right, so it is the memory
        raise UserError(f"cannot load the saved state {path}: {first_line(error)}") from error
    except UnpicklingError:
        raise UserError(
            f"the saved state {path} holds more than tensors and plain data, and reading it could run code: "
            f"s4former did not write it. Start again with another {invocation().out}"
        ) from None
    require_finite(_learned(state), str(path))
    return state


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


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
