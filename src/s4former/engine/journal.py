"""The diaries of a run: ``journal.jsonl``, a line per logged step, and ``scores.jsonl``, one per score."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from s4former.config.errors import UserError
from s4former.config.record import read_lines as read_lines
from s4former.config.record import write_text
from s4former.config.regular import append
from s4former.config.validation import first_mistake
from s4former.engine.callbacks import Callback
from s4former.inference.score_line import ScoreLine


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    step: NonNegativeInt


class _Logged(_Line):
    __pydantic_extra__: dict[str, float | None]


class _Alarm(_Line):
    alarm: str
    state: str


class _Unread(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str
    message: str


_DIARIES: dict[str, type[BaseModel]] = {
    "journal.jsonl": _Logged,
    "scores.jsonl": ScoreLine,
    "alarms.jsonl": _Alarm,
    "unreadable.jsonl": _Unread,
}


def check_diaries(folder: Path) -> None:
    """Make sure that a run can go on with the diaries in its folder.

    Raises:
        UserError: If a line of one does not say what it should; the message names it.
    """
    for name, shape in _DIARIES.items():
        for number, line in enumerate(read_lines(folder / name), 1):
            try:
                shape.model_validate(line)
            except ValidationError as error:
                raise UserError(
                    f"line {number} of {folder / name} is damaged or of another program: "
                    f"{first_mistake(error)}; delete that line"
                ) from None


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Add one JSON object as a line.

    Raises:
        UserError: If the file is a link or has a second name: what it leads to is not the run's.
        OSError: If it cannot be written.
    """
    append(path, json.dumps(record, allow_nan=False).encode())


def forget_after(path: Path, step: int) -> None:
    """Drop the lines of steps beyond ``step``: they will be lived again."""
    if path.is_file():
        kept = [line for line in read_lines(path) if line["step"] <= step]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))


class JournalWriter(Callback):
    """Writes ``journal.jsonl`` and ``scores.jsonl``."""

    def __init__(self, folder: Path) -> None:
        self._journal, self._scores = folder / "journal.jsonl", folder / "scores.jsonl"

    def on_start(self, step: int, steps: int) -> None:
        """Drop the lines of steps that will be taken again."""
        for path in (self._journal, self._scores):
            forget_after(path, step)

    def on_log(self, line: Mapping[str, Any]) -> None:
        """Write it."""
        append_line(self._journal, line)

    def on_score(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write them."""
        for line in lines:
            append_line(self._scores, line)
