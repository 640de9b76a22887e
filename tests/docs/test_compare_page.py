"""docs/compare.md is what its script makes of the result files."""

from __future__ import annotations

import runpy

from pages import ROOT


def test_the_page_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "benchmarks/make_compare.py"))["page"]()
    assert (ROOT / "docs/compare.md").read_text() == made, "run `python benchmarks/make_compare.py`"
