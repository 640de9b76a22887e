"""``bootstrap.py`` once everything is set up: what it runs, and what it says how to type."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the command in its place is a shell script")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose ``s4former`` is a script that ends as a stopped run does."""
    root = tmp_path / "a checkout"
    (root / ".venv" / "bin").mkdir(parents=True)
    for name in ("bootstrap.py", "pyproject.toml"):
        shutil.copy(Path(__file__).parents[2] / name, root)
    stamp = hashlib.sha256((root / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    (root / ".venv" / "s4former-setup.txt").write_text(stamp)
    command = root / ".venv" / "bin" / "s4former"
    command.write_text(
        "#!/bin/sh\n"
        'echo "$S4FORMER_PROGRAM: $*" in "$(pwd)"\n'
        '[ "$1" = wait ] || exit 0\n'
        "trap 'sleep 1; echo saved; exit 75' INT TERM\n"
        "echo ready\n"
        "while true; do sleep 0.1; done\n"
    )
    command.chmod(0o755)
    return root


def test_the_command_knows_how_it_is_typed_and_runs_where_its_caller_is(checkout: Path) -> None:
    for arguments in (["demo", "--out", "x"], ["s4former", "demo", "--out", "x"]):
        done = subprocess.run(
            [sys.executable, "a checkout/bootstrap.py", *arguments],
            cwd=checkout.parent,
            env={**os.environ, "S4FORMER_PROGRAM": "of another program"},
            capture_output=True,
            text=True,
            check=True,
        )
        said = f"python3 'a checkout/bootstrap.py' s4former: demo --out x in {checkout.parent}"
        assert done.stdout.strip() == said
    demo = subprocess.run(
        [sys.executable, "bootstrap.py", "demo"], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert ". .venv/bin/activate" in demo.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_saves_itself_before_bootstrap_ends(checkout: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "bootstrap.py", "s4former", "wait"],
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        assert process.poll() is None
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert out.strip() == "saved"
    assert process.returncode == 75
