"""Advice that can be typed as it is printed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from s4former.config import again, as_typed, invoked, program, typed
from s4former.config.invocation import PROGRAM, Invocation, invocation


def test_an_option_is_added_once_and_before_what_is_no_option() -> None:
    assert typed("s4former", ["train", "a b.yaml"], "--resume") == "s4former train 'a b.yaml' --resume"
    assert typed("s4former", ["train", "--resume", "demo"], "--resume") == "s4former train --resume demo"
    assert typed("s4former", ["train", "demo", "--", "steps=2"], "--resume").endswith(
        "demo --resume -- steps=2"
    )
    assert typed("s4former", []) == "s4former"


def test_python_speaks_of_arguments_until_a_command_line_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["s4former", "train", "demo"])
    assert "resume=True" in invocation().resume
    with invoked(again("s4former", "--resume"), out="--out"):
        assert invocation() == Invocation("type `s4former train demo --resume`", "--out")
    assert "resume=True" in invocation().resume


def test_the_command_is_called_by_what_the_terminal_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "bin" / "s4former"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.delenv(PROGRAM, raising=False)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "s4former"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == str(script)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "s4former" / "__main__.py")])
    assert program() == f"{sys.executable} -m s4former"
    monkeypatch.setenv(PROGRAM, "python3 bootstrap.py s4former")
    assert program() == "python3 bootstrap.py s4former"


def test_commands_in_a_text_are_those_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRAM, "python3 bootstrap.py s4former")
    assert as_typed("no s4former: type `s4former init`, then `s4former check x`") == (
        "no s4former: type `python3 bootstrap.py s4former init`, then `python3 bootstrap.py s4former check x`"
    )
    monkeypatch.delenv(PROGRAM)
    assert as_typed("`s4former init`").endswith("s4former init`")
