"""What a comparison trains: cells of the same labels, draw and seed, and in each a run for every row.

The labeled images alone come first: ``first_steps`` supervised steps are trained once a cell, and each row
goes on from that model, for as many steps as every other row, with an optimizer of its own. Its teacher, if
it has one, starts as that model. The second part draws from another seed than the first, the same for all
rows of a cell, so that no labeled crop is seen twice and all rows see the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from s4former.config.errors import UserError
from s4former.config.override import override
from s4former.studies.lists import SPLITS, folded, listed
from s4former.studies.rows import Row

if TYPE_CHECKING:
    from s4former.augment import Policy
    from s4former.engine.run import Run

ALL = "all"
"""The label count of the ceiling: every training image with a mask."""
SECOND_SEED = 1_000_000
"""What the seed of a second part is more than that of its cell."""
_WAITING = ("unlabeled_start_step", "unlabeled_ramp_steps")


@dataclass(frozen=True)
class Cell:
    """Runs of a cell differ in nothing but their rows: they are compared in pairs.

    Attributes:
        labels: Which labels, as the names of lists say it: a number, `ALL`, or none: the config's own lists.
        draw: Which draw of that many labels; none where there is but one.
        seed: Names every random draw: first weights, crops, colors, boxes.
        fold: Which labeled images are held out and scored; none: those that the config says.
    """

    labels: str | None
    draw: int | None
    seed: int
    fold: int | None = None

    @property
    def group(self) -> str:
        """What cells with as many labels have in common."""
        return self.labels or "own"

    @property
    def name(self) -> str:
        """The name of its folder."""
        draw = "" if self.draw is None else f"_draw{self.draw}"
        fold = "" if self.fold is None else f"_fold{self.fold}"
        return f"{self.group}{draw}{fold}_seed{self.seed}"


@dataclass(frozen=True)
class PlannedRun:
    """One run.

    Attributes:
        cell: Its cell.
        row: The row's name; none for a first part.
        place: Its folder, from that of all runs.
        run: What is trained.
        first: The folder of the first part that it goes on from, if there is one.
        notes: What the row's changes implied.
    """

    cell: Cell
    row: str | None
    place: str
    run: Run
    first: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """A comparison as it was asked for.

    Attributes:
        base: Makes the run that all rows of a cell share, given the cell's overrides.
        rows: The rows.
        cells: The cells.
        runs: Folder of all runs.
        first_steps: Supervised steps that the rows of a cell share; 0: each row is trained from scratch.
        first: Overrides of the first part alone.
        second: Overrides of the second part alone, before those of a row.
        splits: Where the lists of a cell are, see `SPLITS`.
        folds: Into how many folds the labeled images are cut; 0: all are learned from.
    """

    base: Callable[[Sequence[str]], Run]
    rows: Sequence[Row]
    cells: Sequence[Cell]
    runs: Path
    first_steps: int = 0
    first: Sequence[str] = ()
    second: Sequence[str] = ()
    splits: str = SPLITS
    folds: int = 0
    _folds: dict[str, list[list[str]]] = field(default_factory=dict, repr=False, compare=False)
    _bases: dict[Cell, Run] = field(default_factory=dict, repr=False, compare=False)

    def base_of(self, cell: Cell) -> Run:
        """Return the run that the rows of a cell share."""
        if cell not in self._bases:
            self._bases[cell] = self.base(
                [*self._lists(cell), f"seed={cell.seed}", "fall_back=false"]  # a row is what it comes to
            )
        return self._bases[cell]

    def _lists(self, cell: Cell) -> list[str]:
        if cell.labels == ALL:
            lists = ["data.labeled_split=null", "data.unlabeled_split=null"]
        else:
            lists = listed(self.base, self.splits, cell.labels, cell.draw) if cell.labels else []
        if cell.fold is None:
            return lists
        name = replace(cell, seed=0, fold=None).name.removesuffix("_seed0")
        if name not in self._folds:
            folder = self.runs / "folds"
            self._folds[name] = folded(self.base(lists), self.folds, folder, name)
        return [*lists, *self._folds[name][cell.fold]]

    def of(self, cell: Cell) -> Iterator[PlannedRun]:
        """Yield the runs of a cell, a first part before those that go on from it.

        Raises:
            UserError: If changes do not fit, or no step is left for a second part.
        """
        base = self.base_of(cell)
        rows = [row.of_lists(base.data.labeled_split) for row in self.rows]
        if not 0 <= self.first_steps < base.steps:
            raise UserError(
                f"--first-steps {self.first_steps} has to be below steps={base.steps}: every row takes "
                f"{base.steps} steps, the first of which are shared"
            )
        made: dict[str, PlannedRun] = {}
        for row in rows:
            if cell.labels == ALL and _switched(base, row).method.views.unlabeled:
                continue
            if not self.first_steps:
                run, notes = override(base, [*_as_many_views(base, row, row.changes), *row.changes])
                yield PlannedRun(cell, row.name, f"{cell.name}/{row.slug}", run, notes=tuple(notes))
                continue
            first = self._first_part(cell, base, row)
            if first.place not in made:
                made[first.place] = first
                yield first
            yield self._second_part(cell, base, row, first.place)

    def _first_part(self, cell: Cell, base: Run, row: Row) -> PlannedRun:
        own = row.for_labeled_steps
        changes = ["method.name=supervised", f"steps={self.first_steps}", "evaluate_every=0"]
        run, _ = override(base, [*changes, *own, *self.first])
        name = Row(",".join(["first", *own]), own).slug
        return PlannedRun(cell, None, f"{cell.name}/{name}", run)

    def _second_part(self, cell: Cell, base: Run, row: Row, first: str) -> PlannedRun:
        changes = [
            f"steps={base.steps - self.first_steps}",
            f"seed={base.seed + SECOND_SEED}",
            f"load_from={self.runs / first}",
        ]
        given = {change.partition("=")[0].strip() for change in [*self.second, *row.changes]}
        fields = type(_switched(base, row).method).model_fields
        waiting = [
            f"method.{name}=0" for name in _WAITING if name in fields and f"method.{name}" not in given
        ]
        views = _as_many_views(base, row, [*self.second, *row.changes])
        run, notes = override(base, [*changes, *waiting, *views, *self.second, *row.changes])
        return PlannedRun(cell, row.name, f"{cell.name}/{row.slug}", run, first, tuple(notes))


def _switched(base: Run, row: Row) -> Run:
    names = [
        change for change in row.changes if change.partition("=")[0].strip() in ("method", "method.name")
    ]
    return override(base, names)[0]


def _as_many_views(base: Run, row: Row, given: Sequence[str]) -> list[str]:
    """Return what gives a method the strong view of the base run as often as it takes one.

    A method keeps the views of the run that it is switched to in, so that rows see equal ones; one that
    learns two strong views would else have a single one.
    """
    method = _switched(base, row).method
    usual = type(method).model_fields["views"].get_default(call_default_factory=True)
    strong: Sequence[Policy] = getattr(method.views, "strong", ())
    count = len(getattr(usual, "strong", ()))
    if len(strong) != 1 or count < 2 or any(change.startswith("method.views.strong") for change in given):
        return []
    return [f"method.views.strong={json.dumps([strong[0].model_dump(mode='json')] * count)}"]


def plan(study: Study, part: tuple[int, int] = (0, 1)) -> list[PlannedRun]:
    """Return all runs of a study, cell by cell, so that an interrupted one has whole comparisons.

    Args:
        study: The study.
        part: Of ``(k, n)`` every n-th cell, from the k-th, for several machines.
    """
    number, count = part
    return [run for cell in study.cells[number::count] for run in study.of(cell)]
