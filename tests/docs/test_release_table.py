"""The table of what differs from the release: each setting in its last column is one that a run takes."""

from __future__ import annotations

import re

import pytest
from pages import ROOT

from s4former.recipes import load_run

PAGE = (ROOT / "docs/methods/s4former.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.partition("## The release, and us")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| |")
]


def test_the_table_names_what_the_release_does_otherwise() -> None:
    assert all(len(row) == 4 for row in ROWS)
    subjects = " ".join(row[0] for row in ROWS)
    for part in ("precision", "which network is used", "divide by 16", "Cityscapes", "further modes of NCR"):
        assert part in subjects


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_gets_the_release_is_a_setting(row: list[str]) -> None:
    for setting in re.findall(r"`([a-z_.]+=[\w.]+(?: [a-z_.]+=[\w.]+)*)`", row[3]):
        changes = [
            change if change.startswith(("data.", "model.", "method.", "precision")) else f"method.{change}"
            for change in setting.split()
        ]
        network = "segformer." if "model.head=" in setting else ""
        load_run(f"voc.classic_92.{network}s4former", changes)
