"""What somebody types for a comparison, turned into a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from s4former.config.errors import UserError
from s4former.config.validation import nearest
from s4former.studies.lists import SPLITS
from s4former.studies.plan import ALL, Cell, Study
from s4former.studies.rows import Row, parse_rows, split_rows

if TYPE_CHECKING:
    from s4former.engine.run import Run


def make_study(
    base: Callable[[Sequence[str]], Run],
    runs: Path,
    methods: str,
    rows: Path | None = None,
    labels: str = "",
    draws: str = "0",
    seeds: str = "0,1,2",
    ceiling: bool = False,
    splits: str = SPLITS,
    first_steps: int = 0,
    first: Sequence[str] = (),
    second: Sequence[str] = (),
    folds: int = 0,
) -> Study:
    """Return a study of what was typed; lists have commas between.

    Args:
        base: Makes the run that all rows of a cell share, given the cell's overrides.
        runs: Folder of all runs.
        methods: Rows, see `parse_rows`.
        rows: File with more rows.
        labels: Label counts, as the names of lists say them; empty: the lists that the config names.
        draws: Draws of so many labels.
        seeds: Seeds.
        ceiling: Whether rows that need no unlabeled images are trained on all labels too.
        splits: Where the lists of a cell are, see `SPLITS`.
        first_steps: Supervised steps that the rows of a cell share.
        first: Overrides of those alone.
        second: Overrides of what comes after them alone.
        folds: Into how many folds the labeled images are cut, each held out and scored once; 0: none.

    Raises:
        UserError: If something cannot be read, or there is no such method.
    """
    if folds and ceiling:
        raise UserError(
            "--folds and --reference all: folds of all labels hold out other images than folds of few, so "
            "the rows would be scored on different ones; leave one of the two out"
        )
    counts: list[str | None] = [text.strip() for text in labels.split(",") if text.strip()]
    if folds and len(counts) > 1:
        raise UserError(
            f"--folds and --labels {labels}: folds of each count hold out other images, so counts are not to "
            "be compared; give one count"
        )
    numbered = numbers("--seeds", seeds)
    drawn: list[int | None] = [None]
    if counts and "{draw}" in splits:
        drawn = list(numbers("--draws", draws))
    numbered_folds: Sequence[int | None] = range(folds) if folds else [None]
    cells = [
        Cell(count, draw, seed, number)
        for draw in drawn
        for seed in numbered
        for number in numbered_folds
        for count in counts or [None]
    ]
    if ceiling:
        cells += [Cell(ALL, None, seed, number) for seed in numbered for number in numbered_folds]
    return Study(base, parse_rows(methods, rows), cells, runs, first_steps, first, second, splits, folds)


def numbers(option: str, text: str) -> list[int]:
    """Return whole numbers with commas between.

    Raises:
        UserError: If they are none, or one is there twice.
    """
    try:
        found = [int(number) for number in text.split(",")]
    except ValueError:
        raise UserError(f"{option} {text}: expected whole numbers with commas between, as in 0,1,2") from None
    if len(set(found)) < len(found) or min(found) < 0:
        raise UserError(f"{option} {text}: expected different numbers of 0 or more")
    return found


def job_of(text: str) -> tuple[int, int]:
    """Return which part of the cells ``k/n`` is.

    Raises:
        UserError: If it is none.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise UserError(
            f"--jobs {text}: expected k/n with k from 0 to n - 1, as in 0/2 and 1/2 for two machines, or list"
        )
    return int(number), int(count)


def references(asked: str, rows: Sequence[Row]) -> list[str]:
    """Return the rows that others are compared with: those asked for, or ``supervised``, or the first row.

    Raises:
        UserError: If there is no such row.
    """
    names = [row.name for row in rows]
    if not asked.strip():
        return ["supervised" if "supervised" in names else names[0]]
    found = [name.strip() for name in asked.split(",")]
    if not set(found) <= set(names):
        found = split_rows(asked)  # a row such as s4former:a=1,b=2 has commas of its own
    for name in found:
        if name not in names:
            raise UserError(f"--against {name}: there is no such row; {nearest(name, names)}")
    return found
