"""All fields that a run and a ``dataset.yaml`` have: looked up, and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from s4former.config.errors import UserError
from s4former.config.fields import FieldFacts, fields_of
from s4former.config.validation import nearest

DATASET_YAML = "dataset.yaml"
_HEAD = """# All fields

Made by `s4former config explain --markdown`; `s4former config explain FIELD` says the same of one field.
A field is set by `FIELD=VALUE` behind `s4former train CONFIG`, or in a YAML file;
`s4former config show CONFIG` prints what a run has. `[]` is an entry of a list, as in
`method.perturb=[{name: channel_dropout, probability: 0.2}]`. Augmentation policies have the same fields
wherever they stand, and auxiliary heads those of heads.
"""


def find_fields(name: str) -> list[FieldFacts]:
    """Return the fields of a name: the one of that path, or all whose last part it is.

    Args:
        name: A dotted path, or its last part; with a dot at its end, what is below a group; empty: all that
            are not below another.

    Raises:
        UserError: If there is none.
    """
    group, name = name.endswith(".") or not name, name.rstrip(".")
    if group:
        return [fact for fact in _fields(name) if fact.path.rpartition(".")[0].removesuffix("[]") == name]
    exact = [fact for fact in _fields(name) if fact.path == name]
    if exact:
        return exact
    everything = _fields()
    found = [fact for fact in everything if fact.path.endswith(f".{name}")]
    if not found:
        paths = {fact.path for fact in everything}
        hint = nearest(name, paths, fallback={path for path in paths if "." not in path})
        raise UserError(f"there is no field {name!r}; {hint} (`s4former config explain` lists groups)")
    return found


def _fields(wanted: str = "") -> list[FieldFacts]:
    """Return the fields of a run, then those of a ``dataset.yaml``."""
    from s4former.data.dataset_yaml import DatasetFile
    from s4former.engine.run import Run

    of_file = [replace(fact, of=(DATASET_YAML,)) for fact in fields_of(DatasetFile, wanted)]
    return [*fields_of(Run, wanted), *of_file]


def field_page() -> str:
    """Return the page of all fields, as Markdown."""
    from s4former.data.dataset_yaml import DatasetFile
    from s4former.engine.run import Run

    lines = [_HEAD]
    for title, model in (("A run", Run), (DATASET_YAML, DatasetFile)):
        lines += [f"## {title}", "", *_rows(fact for fact in fields_of(model) if "." not in fact.path), ""]
        below = [fact for fact in fields_of(model) if "." in fact.path]
        for group, facts in groupby(sorted(below, key=_group), _group):
            lines += [f"### {group}", "", *_rows(facts), ""]
    return "\n".join(lines)


def _group(fact: FieldFacts) -> str:
    return fact.path.rpartition(".")[0]


def _rows(facts: Iterable[FieldFacts]) -> Iterator[str]:
    facts = list(facts)
    yield "| field | takes | default | what it does |"
    yield "|---|---|---|---|"
    for fact in facts:
        of = f" (of {', '.join(fact.of)})" if fact.of else ""
        default = f"`{fact.default}`" if fact.default else ""
        yield f"| `{fact.path}`{of} | {fact.kind} | {default} | {fact.about} |"
