"""A comparison as a table and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from s4former.studies.plan import ALL

Line = Mapping[str, Any]
_WORDS = ("labels", "", "network")


def score_table(lines: Sequence[Line], against: Sequence[str], title: str, part: str) -> Table:
    """Return the table of a comparison: a line for each label count, row and network.

    Args:
        lines: As `s4former.studies.scores.by_group` returns them.
        against: The reference rows.
        title: What stands above it.
        part: What was scored, on which the best step was chosen.
    """
    table = Table(title=title, title_justify="left", caption="* deployed", caption_justify="left")
    shown = [reference for reference in against if any(reference in line["minus"] for line in lines)]
    headers = [
        "last",
        *(f"minus {reference} [95 %]" for reference in shown),
        f"best (chosen on {part})",
        "images/s",
        "MiB",
        "minutes",
    ]
    for name in _WORDS:
        table.add_column(name)
    for name in headers:
        table.add_column(name, justify="right")
    before = None
    for line in lines:
        if before not in (None, line["group"]):
            table.add_section()
        before = line["group"]
        table.add_row(*_cells(line, shown), style="bold" if line["deployed"] else None)
    return table


def _cells(line: Line, against: Sequence[str]) -> list[str]:
    labels = f"all ({line['labeled']})" if line["group"] == ALL else str(line["labeled"])
    return [
        labels,
        line["row"],
        f"{line['network']} *" if line["deployed"] else line["network"],
        _spread(line["last"]),
        *(_difference(line["minus"].get(reference)) for reference in against),
        _spread(line["best"]),
        _number(line["images_per_second"], 1),
        _number(line["peak_memory_mib"], 0),
        _number(line["minutes"], 1),
    ]


def _spread(summary: Line) -> str:
    spread = "" if summary["spread"] is None else f" ± {summary['spread']:.1f}"
    return f"{summary['mean']:.1f}{spread} ({summary['cells']})"


def _difference(summary: Line | None) -> str:
    if summary is None:
        return ""
    if summary["interval"] is None:
        return f"{summary['mean']:+.1f}"
    low, high = summary["interval"]
    return f"{summary['mean']:+.1f} [{low:+.1f}, {high:+.1f}]"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    columns = [list(map(str, column.cells)) for column in table.columns]
    header = [str(column.header) for column in table.columns]
    rules = ["---:" if column.justify == "right" else "---" for column in table.columns]
    lines = [header, rules, *map(list, zip(*columns, strict=True))]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
