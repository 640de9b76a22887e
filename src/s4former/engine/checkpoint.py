"""Saving what a run needs to go on, so that a crash at any moment leaves something to go on from."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from s4former.config.errors import UserError
from s4former.config.record import read_json, write_atomically, write_json
from s4former.config.spelling import option, switch

_logger = logging.getLogger(__name__)
_KEPT = 2


@dataclass(frozen=True)
class _Entry:
    file: str
    step: int
    size: int
    sha256: str


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
            UserError: If it cannot be written; the states before it are kept.
        """
        try:
            self._save(step, state)
        except (OSError, RuntimeError) as error:  # of a full disk, torch raises the latter
            before = self.newest_step()
            kept = "No state was saved before" if before is None else f"The one after step {before} is kept"
            raise UserError(
                f"cannot save the state after step {step} in {self.folder}: {error}. {kept}. Make room on "
                f"the disk ({_KEPT + 1} states at a time), then go on with {switch('resume')}"
            ) from error

    def _save(self, step: int, state: dict[str, Any]) -> None:
        path = self.folder / f"step_{step:08d}.pt"
        write_atomically(path, lambda temporary: torch.save(state, temporary))
        new = _Entry(path.name, step, path.stat().st_size, _checksum(path))
        kept = [new, *(entry for entry in self._index() if entry.file != new.file)][:_KEPT]
        write_json(self.folder / "index.json", [vars(entry) for entry in kept])
        for file in self.folder.glob("step_*.pt"):
            if file.name not in {entry.file for entry in kept}:
                file.unlink()

    def newest_step(self) -> int | None:
        """Return the step of the newest state, None if nothing was ever saved."""
        entries = self._index()
        return entries[0].step if entries else None

    def load(self, map_location: str) -> dict[str, Any] | None:
        """Return the newest complete state, or None if nothing was ever saved.

        A damaged file is passed over with a warning.

        Raises:
            UserError: If states were saved but none is complete.
        """
        entries = self._index()
        for entry in entries:
            path = self.folder / entry.file
            if path.is_file() and path.stat().st_size == entry.size and _checksum(path) == entry.sha256:
                state: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
                return state
            _logger.warning("%s is missing or damaged; going back to the state saved before it", path)
        if entries:
            raise UserError(
                f"no complete checkpoint is left in {self.folder}; start again with another {option('out')}"
            )
        return None

    def _index(self) -> list[_Entry]:
        index = self.folder / "index.json"
        try:
            return [_Entry(**entry) for entry in read_json(index)] if index.is_file() else []
        except (ValueError, TypeError):
            raise UserError(
                f"{index} is damaged, so it is not known which states are complete; start again with another "
                f"{option('out')}, or delete that file to start from the first step with {switch('resume')}"
            ) from None


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
