"""The diaries of a run: ``journal.jsonl``, a line per logged step, and ``scores.jsonl``, one per score."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s4former.config.record import read_lines as read_lines
from s4former.config.record import write_text
from s4former.engine.callbacks import Callback


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Add one JSON object as a line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, allow_nan=False) + "\n")


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
