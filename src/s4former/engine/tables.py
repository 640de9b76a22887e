"""Tables and lines on screens of any width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_NARROWEST = 8
"""Cells of a column of words, at least."""


def table_of(words: Sequence[str], numbers: Sequence[str], **options: Any) -> Table:
    """Return a table without rows: columns of words, then of numbers, and what else `Table` takes."""
    table = Table(**options)
    for column in words:
        table.add_column(column)
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def tell(console: Console, text: str) -> None:
    """Print a text as it is: no markup, and no line broken."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def print_table(console: Console, table: Table) -> None:
    """Print a table in which no number is cut: words are broken first, then rows outgrow the screen."""
    if Measurement.get(console, console.options.update(width=10_000), table).maximum > console.width:
        _squeeze(table, console.width)
    console.print(table, crop=False)


def _squeeze(table: Table, width: int) -> None:
    """Give each column of numbers the width of its numbers, and the others what is left."""
    words = [column for column in table.columns if column.justify != "right"]
    taken = 1 + 3 * len(table.columns)  # borders, and a space on either side
    for column in table.columns:
        column.overflow = "fold"
        if column.justify == "right":
            column.width = max((cell_len(str(cell)) for cell in column.cells), default=1)
            taken += column.width
    for column in words:
        column.width = max(_NARROWEST, (width - taken) // len(words))
    table.width = taken + sum(column.width or 0 for column in words)
