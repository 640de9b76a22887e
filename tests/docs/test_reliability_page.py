"""The figures of docs/reliability.md are those of the results that it links to."""

from __future__ import annotations

import json
import re

from pages import ROOT, code, links, tables

PAGE = ROOT / "docs/reliability.md"


def test_figures_are_those_of_the_results() -> None:
    (results,) = [link for link in links(PAGE) if "results/reliability_" in link]
    parts = json.loads((PAGE.parent / results).with_suffix(".json").read_text())["parts"]
    rows = {code(row[2])[0]: row[3] for row in tables(PAGE, "What can be relied on")[0] if code(row[2])}
    assert rows.keys() >= parts.keys()
    for name, figures in rows.items():
        assert figures == (parts[name]["said"] if name in parts else "not yet measured"), name


def test_files_that_it_names_are_there() -> None:
    for name in re.findall(r"`(tests/[\w/.]+)`", PAGE.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name
