"""The tables of ``docs/migrate_from_mmsegmentation.md`` say what the code does."""

from __future__ import annotations

import argparse

import pytest
from pages import ROOT, code, tables

from s4former.compat import mmseg_options, mmseg_test, mmseg_train
from s4former.config import UserError
from s4former.config.override import field_paths
from s4former.engine import Run
from s4former.methods import S4FormerConfig

PAGE = ROOT / "docs/migrate_from_mmsegmentation.md"


def test_config_keys() -> None:
    (rows,) = tables(PAGE, "Config keys")
    known = {code(row[0])[0]: row[1:] for row in rows}
    assert len(known) == len(rows)
    expected = {}
    for key, old in mmseg_options.OLD_KEYS.items():
        fields = ", ".join(f"`{field}`" for field in old.fields.split()) or "known, no effect"
        times = "times the number of processes: " if old.per_process else ""
        expected[key] = [fields, f"{times}{old.about}"]
    for key, instead in mmseg_options.INSTEAD.items():
        expected[key] = ["not supported", instead]
    assert known == expected


def test_keys_that_are_said_to_be_the_same_are_fields_or_known() -> None:
    text = PAGE.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("Keys with the same name"))
    assert len(code(line)) > 3
    assert set(code(line)) <= set(field_paths(Run()))


@pytest.mark.parametrize(
    ("heading", "parser"),
    [("Options of training", mmseg_train.parser()), ("Options of testing", mmseg_test.parser())],
)
def test_options(heading: str, parser: argparse.ArgumentParser) -> None:
    (rows,) = tables(PAGE, heading)
    here = {option for row in rows if "not supported" not in row[1] for option in code(row[0])}
    assert here == set(parser._option_string_actions) - {"-h", "--help"}
    for row in rows:
        if "not supported" in row[1]:
            assert not set(code(row[0])) & parser._option_string_actions.keys()
            assert row[2].startswith("instead: ")


def test_fields_exist() -> None:
    (rows,) = tables(PAGE, "What a config file said")
    fields = set(field_paths(Run(method=S4FormerConfig())))
    fields |= {path.rpartition(".")[0] for path in fields}  # chosen by a bare name, as model.head
    named = [field for row in rows for field in code(row[1]) if row[1].startswith("`")]
    assert len(named) > 40
    assert set(named) <= fields


def test_what_is_not_listed_stops_the_command() -> None:
    with pytest.raises(UserError, match="there is no such field here"):
        mmseg_options.translate(Run(), ["model.decode_head.dropout_ratio=0.1"], 1)
