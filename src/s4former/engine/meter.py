"""What is measured between two lines of the journal."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from s4former import collectives
from s4former.methods.parts import Diagnosis, shares

T = TypeVar("T")


class Meter:
    """Collects scalars on their device, where nothing waits for them until a line is due.

    Args:
        names: Names of the classes.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = names
        self._counts: Tensor | None = None
        self._pending: dict[str, list[Tensor | float]] = {}
        self._seconds_before = 0.0  # of the run before it was resumed
        self._start = self._line_start = time.perf_counter()
        self._paused = self._waited = 0.0
        self._images = 0

    def add(self, scalars: Mapping[str, Tensor], images: int = 0) -> None:
        """Take the scalars of one update, made of so many images."""
        for name, value in scalars.items():
            self._pending.setdefault(name, []).append(value.detach().float())
        self._images += images

    def diagnose(self, diagnosis: Diagnosis | None) -> None:
        """Take the counts of one update, of all processes, if they were made."""
        if diagnosis is not None:
            counts = collectives.total(diagnosis.counts)
            self._counts = counts if self._counts is None else self._counts.to(counts.device) + counts

    def line(self, step: int, rates: Mapping[str, float]) -> dict[str, Any]:
        """Return the means since the line before, with the learning rates of the ``step``-th update."""
        means = {name: _mean(values) for name, values in _on_host(self._pending).items()}
        found = {} if self._counts is None else shares(self._counts.tolist(), self.names)
        elapsed = time.perf_counter() - self._line_start - self._paused
        waited = self._waited / max(elapsed, 1e-9)
        self._pending, self._counts, self._paused, self._waited = {}, None, 0.0, 0.0
        speed = self._images / max(elapsed, 1e-9)
        self._line_start, self._images = time.perf_counter(), 0
        return {
            "step": step,
            **means,
            **found,
            **{f"lr/{group}": rate for group, rate in rates.items()},
            "images_per_second": round(speed, 3),
            "data_wait": round(waited, 4),
            "seconds": round(self.seconds, 2),
        }

    @property
    def seconds(self) -> float:
        """Seconds of the run so far, those before a resume included."""
        return self._seconds_before + time.perf_counter() - self._start

    def timed(self, batches: Iterator[T]) -> Iterator[T]:
        """Yield batches, and count what training waits for each as the share of the time that data take."""
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self._waited += time.perf_counter() - start
            if batch is None:
                return
            yield batch

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the time of evaluating and saving out of the training speed."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._paused += time.perf_counter() - start

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to log the same lines."""
        counts = None if self._counts is None else self._counts.cpu()
        return {"seconds": self.seconds, "pending": _on_host(self._pending), "counts": counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the scalars and counts that no line has used yet."""
        self._seconds_before = state["seconds"]
        self._pending = {name: list(values) for name, values in state["pending"].items()}
        self._counts = state["counts"]


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
