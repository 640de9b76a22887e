"""Figures of a run: panels of pictures side by side, and learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from s4former.config.record import write_atomically
from s4former.data.display import Color
from s4former.data.display import colorize as colorize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from s4former.config.outputs import Outputs

Pixels = UInt8[np.ndarray, "_ _ 3"]  # of any sizes beside each other

_DPI = 110
_INK = "#303030"
_ENTRY = 0.95
"""Inches that a class takes in a legend."""
LEGEND_COLUMNS = 11
"""Classes in a line of a legend, unless it says otherwise."""


def panel(
    rows: Sequence[tuple[str, Sequence[Pixels]]],
    columns: Sequence[str],
    path: Path,
    legend: Mapping[str, Color] | None = None,
    cell_inches: float = 1.6,
    outputs: Outputs | None = None,
) -> Path:
    """Save a table of pictures: one row an example, one column a kind of picture.

    Args:
        rows: Name of the row (may be empty) and its pictures, one a column.
        columns: Titles of the columns.
        path: Where to save; the ending says the format. Folders are made.
        legend: Class names and their colors, shown below.
        cell_inches: Width of a picture.
        outputs: Where ``path`` was claimed; by default what is there is replaced.

    Returns:
        ``path``.

    Raises:
        ValueError: If there is no row, or a row does not have one picture a column.
    """
    if not rows:
        raise ValueError("a panel needs at least one row of pictures")
    for name, pictures in rows:
        if len(pictures) != len(columns):
            raise ValueError(f"row {name!r} has {len(pictures)} pictures for {len(columns)} columns")
    first = rows[0][1][0]
    height = cell_inches * first.shape[0] / first.shape[1]
    width = cell_inches * len(columns) * 1.03 + 0.3
    per_line = min(len(legend or ()), max(1, int(width / _ENTRY))) or 1
    below = 0.15 + 0.2 * math.ceil(len(legend) / per_line) if legend else 0.05
    size = (width, height * len(rows) * 1.03 + 0.35 + below)
    figure = blank_figure(size)
    grid = figure.add_gridspec(
        len(rows),
        len(columns),
        left=0.3 / size[0],
        right=1 - 0.02 / size[0],
        top=1 - 0.3 / size[1],
        bottom=below / size[1],
        wspace=0.03,
        hspace=0.03,
    )
    for r, (name, pictures) in enumerate(rows):
        for c, picture in enumerate(pictures):
            axes = figure.add_subplot(grid[r, c])
            axes.imshow(picture, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if r == 0:
                axes.set_title(columns[c], fontsize=9, color=_INK)
            if c == 0:
                axes.set_ylabel(name, fontsize=8, color=_INK)
    if legend:
        add_legend(figure, legend, per_line)
    return _save(figure, path, outputs)


def add_legend(figure: Figure, legend: Mapping[str, Color], columns: int | None = None) -> None:
    """Show class names and their colors below, so many a line."""
    from matplotlib.patches import Patch

    patches = []
    for name, (red, green, blue) in legend.items():
        patches.append(Patch(facecolor=(red / 255, green / 255, blue / 255), label=name))
    figure.legend(
        handles=patches,
        loc="lower center",
        ncols=columns or min(len(legend), LEGEND_COLUMNS),
        fontsize=8,
        frameon=False,
        handlelength=1,
        columnspacing=1,
    )


def learning_curves(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    path: Path,
    value_label: str = "mIoU",
    outputs: Outputs | None = None,
) -> Path:
    """Save lines of a score over training steps.

    Args:
        curves: (step, value) pairs of each line, by its name; values are fractions, shown in percent.
        path: Where to save; the ending says the format. Folders are made.
        value_label: What the values are.
        outputs: Where ``path`` was claimed; by default what is there is replaced.

    Returns:
        ``path``.

    Raises:
        ValueError: If there is no curve or one of them has no points.
    """
    empty = [name for name, points in curves.items() if not points]
    if empty or not curves:
        raise ValueError(f"a learning curve needs points; {', '.join(empty) or 'the figure'} has none")
    figure = blank_figure((6.0, 3.6))
    axes = figure.add_subplot()
    for name, points in curves.items():
        steps, values = np.array(points, dtype=float).T
        axes.plot(steps, 100 * values, marker="o", markersize=3, linewidth=1.5, label=name)
    _label_axes(axes, "step", value_label)
    figure.tight_layout()
    return _save(figure, path, outputs)


def label_curves(
    curves: Mapping[str, Sequence[tuple[int, float, float | None]]],
    path: Path,
    value_label: str = "mIoU",
    outputs: Outputs | None = None,
) -> Path:
    """Save lines of a score over the number of labels, with a bar where a spread is known.

    Args:
        curves: (labels, percent, spread or none) of each line, by its name.
        path: Where to save; the ending says the format. Folders are made.
        value_label: What the values are.
        outputs: Where ``path`` was claimed; by default what is there is replaced.

    Returns:
        ``path``.
    """
    figure = blank_figure((6.0, 3.6))
    axes = figure.add_subplot()
    counts = sorted({count for points in curves.values() for count, _, _ in points})
    for name, points in curves.items():
        x, values, spreads = zip(*sorted(points), strict=True)
        bars = [spread or 0.0 for spread in spreads]
        axes.errorbar(x, values, yerr=bars, marker="o", markersize=3, linewidth=1.5, capsize=2, label=name)
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    _label_axes(axes, "labeled images", value_label)
    figure.tight_layout()
    return _save(figure, path, outputs)


def _label_axes(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, color=_INK)
    axes.set_ylabel(f"{up} (%)", color=_INK)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)


def blank_figure(size: tuple[float, float]) -> Figure:
    """Return an empty figure of a width and height in inches."""
    # Not pyplot: it keeps global state and may look for a display.
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=_DPI, facecolor="white")


def _save(figure: Figure, path: Path, outputs: Outputs | None) -> Path:
    write = outputs.write if outputs else write_atomically
    write(path, partial(figure.savefig, format=path.suffix.removeprefix(".") or "png"))
    return path
