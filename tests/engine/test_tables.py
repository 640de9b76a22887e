"""Tables on screens of any width: a score is never cut."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

import s4former
from s4former.engine import print_table

SCORES = ("12.34", "100.00", "61.20 to 84.03", "-")
NAME = "a_class_with_a_rather_long_name"


def printed(width: int) -> list[str]:
    table = Table(title="IoU %, val (100 images), step 80000", caption="whole images, own size, float32")
    table.add_column("class")
    for head in ("student", "teacher (deployed)", "95 % interval", "a"):
        table.add_column(head, justify="right")
    table.add_row(NAME, *SCORES)
    table.add_section()
    table.add_row("mean", *SCORES, style="bold")
    file = io.StringIO()
    print_table(Console(file=file, width=width), table)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 200])
def test_no_score_is_cut_on_any_screen(width: int) -> None:
    lines = printed(width)
    for score in SCORES:
        assert sum(bool(re.search(rf"│\s+{score} │", line)) for line in lines) == 2, (width, score)
    names = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert "".join(names) == f"{NAME}mean"


def test_a_table_that_fits_is_left_as_it_is() -> None:
    assert max(map(len, printed(200))) == max(map(len, printed(120)))
    assert any("teacher (deployed)" in line for line in printed(120))


def test_all_tables_with_numbers_are_printed_so() -> None:
    sources = Path(s4former.__file__).parent.rglob("*.py")
    texts = {path: path.read_text() for path in sources}
    by_hand = {path.stem for path, text in texts.items() if "add_column(" in text and '"right"' in text}
    assert by_hand == {"tables"}  # which makes them for all others
    makers = {path: text for path, text in texts.items() if "table_of(" in text and path.stem != "tables"}
    assert {path.stem for path in makers} >= {"train", "val", "splits", "_demo", "comparison"}
    for path, text in makers.items():
        assert "print_table(" in text, path
