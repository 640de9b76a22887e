"""Two rows of result files, paired: rows that were not run together, at other labels, or in several files.

    python benchmarks/across.py FIRST.json ROW SECOND.json ROW [FIRST.json ROW SECOND.json ROW ...] \
        --out benchmarks/results/across.md

In place of a file, several with commas between are one: of label counts of one draw and seed, whose labels
are nested, the mean is taken. Cells are paired by label count, draw and seed; where no two agree in all of
these, by draw and seed alone.

The same row on two days differs by some points in a cell, as sums differ in their last bits; such differences
carry that. What one file has together is the stronger comparison.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

from rich.console import Console

from s4former.config import read_json
from s4former.config.record import write_text
from s4former.studies.scores import summarize

Cell = tuple[str, int, int]


def scores(files: str, row: str) -> dict[Cell, float]:
    """Return the last score of the deployed network of a row, by label count, draw and seed.

    Raises:
        SystemExit: If a file has no such row.
    """
    found = {}
    for file in files.split(","):
        runs = read_json(Path(file))["runs"]
        own = [run for run in runs if run["row"] == row]
        if not own:
            rows = ", ".join(sorted({run["row"] or "(first part)" for run in runs}))
            raise SystemExit(f"{file} has no row {row}; there are {rows}")
        for run in own:
            cell = run["cell"]
            found[cell["labels"], cell["draw"], cell["seed"]] = run["networks"][run["deployed"]]["last"]
    return found


def paired(first: dict[Cell, float], second: dict[Cell, float]) -> list[tuple[float, float]]:
    """Return the scores of both rows for each draw and seed that they share, means over label counts.

    The labels of a draw are nested, so its label counts are no pairs of their own.
    """
    if not set(first) & set(second):
        first, second = ({("", *cell[1:]): score for cell, score in side.items()} for side in (first, second))
    shared = sorted(set(first) & set(second))
    draws = list(dict.fromkeys(cell[1:] for cell in shared))
    return [
        (fmean(first[cell] for cell in own), fmean(second[cell] for cell in own))
        for own in ([cell for cell in shared if cell[1:] == draw] for draw in draws)
    ]


def names(files: str) -> str:
    """Return the names of files without their folders."""
    return " and ".join(Path(file).name for file in files.split(","))


def main() -> None:
    """Compare what the command line names; print and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="+", metavar="FILE ROW", help="four words for each comparison")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    if len(chosen.pairs) % 4:
        parser.error(f"expected FILE ROW FILE ROW for each comparison, got {len(chosen.pairs)} words")
    lines = ["| first | second | cells | first | second | first minus second [95 %] | by cell |"]
    lines.append("| --- | --- | --- | ---: | ---: | ---: | --- |")
    for start in range(0, len(chosen.pairs), 4):
        words = chosen.pairs[start : start + 4]
        pairs = paired(*(scores(words[place], words[place + 1]) for place in (0, 2)))
        if not pairs:
            raise SystemExit(f"{words[0]} and {words[2]} share no draw and seed")
        each = [first - second for first, second in pairs]
        gain = summarize(each)
        interval = f" [{gain.low:+.1f}, {gain.high:+.1f}]" if gain.half_width is not None else ""
        means = (summarize(side).mean for side in zip(*pairs, strict=True))
        lines.append(
            f"| {words[1]}, {names(words[0])} | {words[3]}, {names(words[2])} | {len(pairs)} | "
            f"{' | '.join(f'{mean:.1f}' for mean in means)} | {gain.mean:+.1f}{interval} | "
            f"{', '.join(f'{value:+.1f}' for value in each)} |"
        )
    note = "mIoU on val, last, deployed; cells: draws and seeds that both sides have"
    write_text(chosen.out, "\n".join([*lines, "", note, ""]))
    Console(width=200).print("\n".join(lines), markup=False)


if __name__ == "__main__":
    main()
