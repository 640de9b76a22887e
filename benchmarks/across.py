"""Two rows of two result files, paired by draw and seed: rows that were not run together, or at other labels.

    python benchmarks/across.py FIRST.json ROW SECOND.json ROW [FIRST.json ROW SECOND.json ROW ...] \
        --out benchmarks/results/across.md

The same row on two days differs by some points in a cell, as sums differ in their last bits; such differences
carry that. What one file has together is the stronger comparison.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from s4former.config import read_json
from s4former.config.record import write_text
from s4former.studies.scores import summarize

Cell = tuple[int, int]


def scores(file: Path, row: str) -> dict[Cell, float]:
    """Return the last score of the deployed network of a row, by draw and seed.

    Raises:
        SystemExit: If the file has no such row.
    """
    runs = read_json(file)["runs"]
    found = {
        (run["cell"]["draw"], run["cell"]["seed"]): float(run["networks"][run["deployed"]]["last"])
        for run in runs
        if run["row"] == row
    }
    if not found:
        rows = ", ".join(sorted({run["row"] or "(first part)" for run in runs}))
        raise SystemExit(f"{file} has no row {row}; there are {rows}")
    return found


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
        first, second = (scores(Path(words[place]), words[place + 1]) for place in (0, 2))
        cells = sorted(set(first) & set(second))
        if not cells:
            raise SystemExit(f"{words[0]} and {words[2]} share no draw and seed")
        each = [first[cell] - second[cell] for cell in cells]
        gain = summarize(each)
        interval = f" [{gain.low:+.1f}, {gain.high:+.1f}]" if gain.half_width is not None else ""
        means = (summarize([side[cell] for cell in cells]).mean for side in (first, second))
        lines.append(
            f"| {words[1]}, {Path(words[0]).name} | {words[3]}, {Path(words[2]).name} | {len(cells)} | "
            f"{' | '.join(f'{mean:.1f}' for mean in means)} | {gain.mean:+.1f}{interval} | "
            f"{', '.join(f'{value:+.1f}' for value in each)} |"
        )
    note = "mIoU on val, last, deployed; cells: draws and seeds that both files have, run on different days"
    write_text(chosen.out, "\n".join([*lines, "", note, ""]))
    Console(width=200).print("\n".join(lines), markup=False)


if __name__ == "__main__":
    main()
