"""How long lines are printed."""

from __future__ import annotations

import io

from rich.console import Console

from s4former.cli.screen import say

LONG = "three masks cannot be read: " + "photos/" * 6 + "dish.png"


def said(terminal: bool) -> list[str]:
    file = io.StringIO()
    say(Console(file=file, width=40, force_terminal=terminal, color_system=None), "error: ", LONG)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_screen_gets_lines_that_end_between_words_below_the_first() -> None:
    lines = said(terminal=True)
    assert lines[0] == "error: three masks cannot be read:"
    assert len(lines) > 2
    assert all(line.startswith(" " * 7) and len(line) <= 40 for line in lines[1:])
    assert "".join(line[7:] for line in lines[1:]) == LONG.rpartition(" ")[2]


def test_a_program_gets_one_line() -> None:
    assert said(terminal=False) == ["error: " + LONG]
