"""``curves.png`` in a run folder: scores and losses so far."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s4former.config.record import write_atomically
from s4former.engine.callbacks import Callback
from s4former.engine.journal import read_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SECONDS = 30.0
_INK = "#303030"
Points = dict[str, list[tuple[int, float]]]


class Curves(Callback):
    """Draws them when the run ends, and on its way after evaluations, if the last time is a while ago."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._drawn: float | None = None

    def on_start(self, step: int, steps: int) -> None:
        """Take the time."""
        self._drawn = time.monotonic()

    def on_score(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Draw, if it is time."""
        if self._drawn and time.monotonic() - self._drawn > _SECONDS:
            draw_curves(self._folder)
            self._drawn = time.monotonic()

    def close(self) -> None:
        """Draw all; a full disk has been reported by then."""
        with suppress(OSError):
            if self._drawn:  # in process 0
                draw_curves(self._folder)


def draw_curves(folder: Path) -> None:
    """Draw what ``journal.jsonl`` and ``scores.jsonl`` hold, if that is anything."""
    scores, losses, split = Points(), Points(), ""
    for line in read_lines(folder / "scores.jsonl"):
        split = line["part"]
        if line["miou"] is not None:
            scores.setdefault(line["network"], []).append((line["step"], 100 * line["miou"]))
    for line in read_lines(folder / "journal.jsonl"):
        for name, value in line.items():
            if value is not None and (name == "loss" or name.startswith("loss/")):
                losses.setdefault(name.removeprefix("loss/"), []).append((line["step"], value))
    both = [(scores, f"mIoU on {split} (%)"), (losses, "loss")]
    both = [each for each in both if each[0]]
    if not both:
        return
    from matplotlib.figure import Figure  # not pyplot: it keeps global state and may look for a display

    width = 4.5 * len(both)
    figure = Figure(figsize=(width, 3.4), dpi=110, facecolor="white")
    figure.subplots_adjust(0.6 / width, 0.14, 0.98, 0.9, wspace=0.2)
    for axes, (curves, label) in zip(figure.subplots(1, len(both), squeeze=False)[0], both, strict=True):
        _draw(axes, curves, label)
    write_atomically(folder / "curves.png", partial(figure.savefig, format="png"))


def _draw(axes: Axes, curves: Points, label: str) -> None:
    for name, points in curves.items():
        steps, values = zip(*points, strict=True)
        size = 3 if len(steps) < 50 else 0
        axes.plot(steps, values, marker="o", markersize=size, linewidth=1.5, label=name)
    axes.set_xlabel("step", color=_INK)
    axes.set_ylabel(label, color=_INK)
    axes.locator_params("x", integer=True)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.1, 1.0),
        ncols=len(curves),
        fontsize=8,
        frameon=False,
        columnspacing=1,
        handlelength=1.2,
    )
