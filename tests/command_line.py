"""The command line in this process: fast, and with what it printed at hand."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from s4former.__main__ import main


class CommandLine:
    """Runs ``s4former``, or another main function, as a shell would.

    Attributes:
        out: What the last command printed to stdout.
        err: What it printed to stderr.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int = 120
    ) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.setenv("COLUMNS", str(columns))
        self.out = self.err = ""

    def __call__(self, *arguments: object) -> int:
        """Run ``s4former`` with arguments and return its exit code."""
        return self.run(main, "s4former", *arguments)

    def run(self, command: Callable[[], None], name: str, *arguments: object) -> int:
        """Run a main function with arguments and return its exit code."""
        self._monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        self._capsys.readouterr()
        try:
            command()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        self.out, self.err = self._capsys.readouterr()
        return code
