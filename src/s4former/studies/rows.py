"""The rows of a comparison: a name, and what it changes in the run that all of them share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s4former.config.errors import UserError
from s4former.config.override import parse_override
from s4former.config.validation import nearest
from s4former.config.yaml_text import config_file, parse_yaml
from s4former.methods import METHODS

NAMED: dict[str, tuple[str, ...]] = {
    "mean_teacher": ("method.name=mean_teacher", "method.cutmix_probability=0"),
    "mean_teacher_cutmix": ("method.name=mean_teacher", "method.cutmix_probability=0.5"),
}
"""Rows that are more than the name of a method."""
_SHARED = ("seed", "steps", "evaluate")
_SHARED_DATA = ("labeled_split", *(f"{a}_{b}" for a in ("val", "test") for b in ("split", "images", "masks")))
_COMMA = re.compile(r",(?![^\[\]{}]*[\]}])")  # outside of brackets


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: What it is called.
        changes: Overrides of the shared run, ``a.b=c`` each; ``{labeled}`` is the cell's labeled list.
    """

    name: str
    changes: tuple[str, ...]

    @property
    def slug(self) -> str:
        """The name as that of a folder."""
        return re.sub(r"[^\w.=+-]+", "_", self.name).strip("_")

    def of_lists(self, labeled: str | None) -> Row:
        """Return the row with ``{labeled}`` in its changes replaced by the list of labeled images."""
        return Row(self.name, tuple(change.replace("{labeled}", str(labeled)) for change in self.changes))

    @property
    def for_labeled_steps(self) -> tuple[str, ...]:
        """The changes that steps on labeled images alone see too: none of the method, nor of unlabeled data.

        Rows that differ in nothing else share such steps.
        """
        return tuple(
            change
            for change in self.changes
            if not change.startswith(("method.", "method=", "data.unlabeled_"))
        )


def parse_rows(methods: str = "", file: Path | None = None) -> list[Row]:
    """Return the rows that are asked for.

    Args:
        methods: Names of methods with commas between them, each perhaps with changes behind a colon, as in
            ``supervised,mean_teacher:cutmix_probability=0.5,ema_decay=0.99``. A field without its room is one
            of the method. `NAMED` has some more names.
        file: A YAML file with the overrides of each row by its name.

    Raises:
        UserError: If a method is unknown, a row has no name of its own, or there is no row.
    """
    rows = [_parse(text) for text in split_rows(methods)]
    if file is not None:
        rows += _read(file)
    names = [row.slug for row in rows]
    twice = next((row.name for row in rows if names.count(row.slug) > 1), None)
    if twice:
        raise UserError(f"two rows are called {twice!r}; give each row a name of its own")
    for row in rows:
        _require_equal(row)
    if not rows:
        raise UserError("there is nothing to compare; name methods, as in --methods supervised,s4former")
    return rows


def split_rows(methods: str) -> list[str]:
    """Cut a list of rows at its commas; a part with a ``=`` but no colon before it is of the row before."""
    rows: list[str] = []
    for text in _COMMA.split(methods) if methods.strip() else []:
        if rows and "=" in text and ":" not in text.partition("=")[0]:
            rows[-1] += f",{text}"
        else:
            rows.append(text.strip())
    return rows


def _parse(text: str) -> Row:
    method, _, changes = text.partition(":")
    if method not in NAMED and "." not in method and method not in METHODS.names():
        known = [*METHODS.names(), *NAMED]
        raise UserError(f"there is no method {method!r}; {nearest(method, known)}")
    own = [_full(change) for change in _COMMA.split(changes)] if changes else []
    return Row(text, (*NAMED.get(method, (f"method.name={method}",)), *own))


def _full(change: str) -> str:
    """Return an override by its whole path: a field that the run does not have is one of its method."""
    from s4former.engine.run import Run

    path, _ = parse_override(change)
    return change.strip() if path[0] in Run.model_fields else f"method.{change.strip()}"


def _require_equal(row: Row) -> None:
    """Refuse a row that changes what makes rows comparable: steps, seeds, labels and how they are scored."""
    for change in row.changes:
        path, _ = parse_override(change)
        if path[0] in _SHARED or tuple(path) == ("data",) or (path[0] == "data" and path[1] in _SHARED_DATA):
            raise UserError(
                f"row {row.name!r} changes {'.'.join(path)}, which all rows of a comparison share; type "
                f"{change} for all of them, or compare twice, each with an --out of its own"
            )


def _read(file: Path) -> Iterable[Row]:
    content: Any = parse_yaml(config_file(file), str(file))
    if not isinstance(content, dict) or not content:
        raise UserError(f'{file}: expected rows, as in "no shuffle: [method.patch_shuffle=false]"')
    for name, changes in content.items():
        changes = [changes] if isinstance(changes, str) else changes or []
        if not isinstance(changes, list) or not all(isinstance(change, str) for change in changes):
            raise UserError(
                f"{file}: {name}: expected a list of overrides, as in [method.patch_shuffle=false]"
            )
        for change in changes:
            parse_override(change)
        yield Row(str(name), tuple(map(_full, changes)))
