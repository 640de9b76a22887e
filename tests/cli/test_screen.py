"""How long lines are printed."""

from __future__ import annotations

import io

from rich.console import Console

from s4former.cli.screen import say

LONG = "three masks cannot be read: " + "photos/" * 6 + "dish.png"


def said(terminal: bool, text: str = LONG) -> list[str]:
    file = io.StringIO()
    say(Console(file=file, width=40, force_terminal=terminal, color_system=None), "error: ", text)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_screen_gets_lines_that_end_between_words_below_the_first() -> None:
    lines = said(terminal=True)
    assert lines[0] == "error: three masks cannot be read:"
    assert len(lines) > 2
    assert all(line.startswith(" " * 7) and len(line) <= 40 for line in lines[1:])
    assert "".join(line[7:] for line in lines[1:]) == LONG.rpartition(" ")[2]


def test_a_program_gets_one_line() -> None:
    assert said(terminal=False) == ["error: " + LONG]


def test_a_command_to_copy_stays_whole() -> None:
    command = 'python -c "' + "import torch; " * 6 + '" in.pth out.pth'
    lines = said(terminal=True, text=f"write its tensors to a new file:\n{command}")
    assert lines[0] == "error: write its tensors to a new file:"
    assert lines[-1] == command
