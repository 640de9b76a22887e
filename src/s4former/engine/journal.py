"""The diaries of a run: ``journal.jsonl``, a line per logged step, and ``scores.jsonl``, one per score."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from s4former.config.record import write_text


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Add one JSON object as a line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, allow_nan=False) + "\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a diary; a last line that was cut off while being written does not count."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def forget_after(path: Path, step: int) -> None:
    """Drop the lines of steps beyond ``step``: they will be lived again."""
    if path.is_file():
        kept = [line for line in read_lines(path) if line["step"] <= step]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))


class Journal:
    """Collects scalars on their device and writes their means when a line is due, or only returns them.

    Nothing waits for the device until then.

    Args:
        path: The file to append to; none: no file.
        log_every: Steps per line.
        images_per_step: For the speed.
    """

    def __init__(self, path: Path | None, log_every: int, images_per_step: int) -> None:
        self.path, self.log_every, self.images_per_step = path, log_every, images_per_step
        self._pending: dict[str, list[Tensor | float]] = {}
        self._seconds_before = 0.0  # of the run before it was resumed
        self._start = self._line_start = time.perf_counter()
        self._paused = 0.0
        self._steps_since = 0

    def note(
        self, step: int, scalars: Mapping[str, Tensor], rates: Mapping[str, float], last: bool = False
    ) -> dict[str, Any] | None:
        """Take the scalars and learning rates of the ``step``-th update; return the line if one was written.

        A line holds the means of the scalars since the line before, and the rates of its own step.
        """
        for name, value in scalars.items():
            self._pending.setdefault(name, []).append(value.detach().float())
        self._steps_since += 1
        if step % self.log_every and not last:
            return None
        means = {name: _mean(values) for name, values in _on_host(self._pending).items()}
        elapsed = time.perf_counter() - self._line_start - self._paused
        line = {
            "step": step,
            **means,
            **{f"lr/{room}": rate for room, rate in rates.items()},
            "images_per_second": round(self._steps_since * self.images_per_step / max(elapsed, 1e-9), 3),
            "seconds": round(self.seconds, 2),
        }
        if self.path:
            append_line(self.path, line)
        self._pending, self._steps_since, self._paused = {}, 0, 0.0
        self._line_start = time.perf_counter()
        return line

    @property
    def seconds(self) -> float:
        """Seconds of the run so far, those before a resume included."""
        return self._seconds_before + time.perf_counter() - self._start

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the time of evaluating and saving out of the training speed."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._paused += time.perf_counter() - start

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed journal needs to write the same lines."""
        return {"seconds": self.seconds, "pending": _on_host(self._pending)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the scalars that no line has used yet."""
        self._seconds_before = state["seconds"]
        self._pending = {name: list(values) for name, values in state["pending"].items()}


def _on_host(pending: Mapping[str, list[Tensor | float]]) -> dict[str, list[float]]:
    return {name: _numbers(values) for name, values in pending.items()}


def _numbers(values: list[Tensor | float]) -> list[float]:
    """Return plain numbers, fetching all that are on a device in one go."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    fetched = iter(torch.stack(tensors).tolist() if tensors else [])
    return [next(fetched) if isinstance(value, Tensor) else value for value in values]


def _mean(values: list[float]) -> float | None:
    """Return the mean, or None (JSON has no NaN) if it is not a finite number."""
    mean = math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan
    return mean if math.isfinite(mean) else None
