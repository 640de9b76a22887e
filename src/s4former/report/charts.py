"""Curves of runs over steps, scaled to be drawn inside of a page."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s4former.data.statistics import spread
from s4former.report.records import RunRecord

Points = list[tuple[float, float]]

LEFT, RIGHT = 44, 284
_TOP, _BOTTOM = 8, 150
_MOST_POINTS = 400


@dataclass(frozen=True)
class Chart:
    """Some curves over steps; all places are in the drawing's own units, 300 x 170.

    Attributes:
        title: What they show.
        curves: Each curve's corners and, for its color, its number, by its name.
        x_ticks: Place and text of each step that is named.
        y_ticks: The same of values.
    """

    title: str
    curves: Mapping[str, tuple[Points, int]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def run_charts(runs: Sequence[RunRecord]) -> list[Chart]:
    """Return the curves of what the journals and scores of runs hold, but for single dots."""
    if len(runs) == 1:
        run = runs[0]
        pseudo = ("pseudo/confident", "pseudo/agreement", "pseudo/precision")
        found = {
            "mean IoU, %": {name: _scores(run, name) for name in run.networks},
            "losses": _group(run, "loss"),
            "pseudo-labels, share of pixels": {name.partition("/")[2]: _points(run, name) for name in pseudo},
            "learning rate": _group(run, "lr"),
            "images/s": {"all": _points(run, "images_per_second")},
        }
    else:
        scalars = {
            "loss": "loss",
            "loss of labeled images": "loss/supervised",
            "confident pseudo-labels, share of pixels": "pseudo/confident",
            "learning rate of the backbone": "lr/backbone",
            "images/s": "images_per_second",
        }
        deployed = {run.name: _scores(run, run.last["network"]) for run in runs if run.last}
        found = {"mean IoU of the deployed network, %": deployed}
        found |= {title: {run.name: _points(run, name) for run in runs} for title, name in scalars.items()}
    charts = found.items()
    return [
        _chart(title, curves) for title, curves in charts if max(map(len, curves.values()), default=0) > 1
    ]


def _scores(run: RunRecord, network: str) -> Points:
    lines = (line for line in run.scores if line["network"] == network and line["miou"] is not None)
    return [(line["step"], 100 * line["miou"]) for line in lines]


def _group(run: RunRecord, group: str) -> dict[str, Points]:
    """Return a scalar and its parts, as ``loss`` and ``loss/*``."""
    names = dict.fromkeys(name for line in run.journal for name in line)
    own = [name for name in names if re.fullmatch(f"{group}(/[^/]+)?", name)]
    return {name.partition("/")[2] or "all": _points(run, name) for name in own}


def _points(run: RunRecord, scalar: str) -> Points:
    return [(line["step"], line[scalar]) for line in run.journal if line.get(scalar) is not None]


def _chart(title: str, curves: Mapping[str, Points]) -> Chart:
    x, y = ([point[axis] for points in curves.values() for point in points] for axis in (0, 1))
    x_ticks, y_ticks = _ticks(min(0, *x), max(x), 4), _ticks(min(y), max(y), 4)

    def place(value: float, ticks: Sequence[float], start: float, end: float) -> float:
        return round(start + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (end - start), 1)

    def across(value: float) -> float:
        return place(value, [min(0, *x), max(x)], LEFT, RIGHT)

    def up(value: float) -> float:
        return place(value, y_ticks, _BOTTOM, _TOP)

    return Chart(
        title,
        {
            name: ([(across(a), up(b)) for a, b in spread(points, _MOST_POINTS)], number)
            for number, (name, points) in enumerate(curves.items())
            if points
        },
        [(across(tick), f"{tick:g}") for tick in x_ticks if tick <= max(x)],
        [(up(tick), f"{tick:g}") for tick in y_ticks],
    )


def _ticks(low: float, high: float, count: int) -> list[float]:
    """Return round numbers, from one that is at most ``low`` to one that is at least ``high``."""
    span = (high - low) or abs(high) or 1.0
    unit = 10 ** math.floor(math.log10(span / count))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor * count >= span)
    first = math.floor(low / step)
    return [
        float(f"{number * step:.10g}") for number in range(first, max(first + 1, math.ceil(high / step)) + 1)
    ]
