#!/usr/bin/env python3
r"""Set everything up in .venv, then run one thing. Needs nothing but Python >= 3.11 and pip.

    python3 bootstrap.py demo        set up, then train the embedded demo
    python3 bootstrap.py test        set up with the developer tools, then run all tests
    python3 bootstrap.py check       lint, types, imports and fast tests
    python3 bootstrap.py lint        lint, types and imports only
    python3 bootstrap.py setup       set up only
    python3 bootstrap.py s4former train demo steps=40 --out runs/short      any command of the package

`. .venv/bin/activate` (Windows: `.venv\Scripts\activate`) makes `s4former` itself a command of the terminal.
A second call installs nothing unless pyproject.toml or the Python has changed.
"""

import hashlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "s4former-setup.txt"

# A file of tests is one worker's, in the order of tests/conftest.py.
PYTEST = ["pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
LINT = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["lint-imports"],
    ["mypy"],
]
COMMANDS = {
    "setup": [],
    "demo": [["s4former", "demo"]],  # where the caller is, as the paths that it prints are
    "lint": LINT,
    "check": [*LINT, [*PYTEST, "-m", "not slow and not gpu"]],
    "test": [PYTEST],
}


def main(arguments):
    """Set up what the command needs and run it; return its exit status."""
    if not arguments or arguments[0] not in {*COMMANDS, "s4former"}:
        print(__doc__)
        return 0 if arguments in ([], ["-h"], ["--help"]) else 2
    name, rest = arguments[0], arguments[1:]
    set_up("dev" if name in {"setup", "lint", "check", "test"} else "")
    commands = [["s4former"]] if name == "s4former" else COMMANDS[name]
    for command in commands:
        extra = rest if command is commands[-1] else []
        print("$", *command, *extra, file=sys.stderr, flush=True)
        folder = None if command[0] == "s4former" else ROOT
        # So that commands which it advises can be typed as they are, without the environment being active.
        called = {**os.environ, "S4FORMER_PROGRAM": f"{started_by()} s4former"}
        status = call([str(BIN / command[0]), *command[1:], *extra], folder, called)
        if status:
            return status
    if name in {"setup", "demo"}:
        print(f"to type `s4former` alone in this terminal: {activation()}", file=sys.stderr)
    return 0


def call(command, folder, environment):
    """Run a command to its end and return its exit status, leaving to it what a signal means."""
    process = subprocess.Popen(command, cwd=folder, env=environment)
    # A terminal sends Ctrl-C to both; to end here would kill a run that is about to save itself.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    status = process.wait()
    return status if status >= 0 else 128 - status


def started_by():
    """Return how this script was started, as one types it."""
    python = "python" if os.name == "nt" else "python3"
    return f"{python} {quoted(sys.argv[0])}"


def activation():
    """Return what makes the commands of .venv known in this terminal."""
    folder = os.path.relpath(BIN) if Path.cwd() in (ROOT, *ROOT.parents) else str(BIN)
    activate = os.path.join(folder, "activate")
    return quoted(activate) if os.name == "nt" else f". {quoted(activate)}"


def quoted(path):
    """Return a path as a shell reads it."""
    return subprocess.list2cmdline([path]) if os.name == "nt" else shlex.quote(path)


def set_up(extra):
    """Make .venv and install the package in it, unless that is done already."""
    if sys.version_info < (3, 11):  # noqa: UP036 (this file has to run on what people have)
        sys.exit(f"s4former needs Python 3.11 or newer, this is {sys.version.split()[0]}; try python3.12")
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    done = STAMP.read_text().split() if STAMP.exists() else []
    if done and done[0] == wanted and (extra == "" or extra in done[1:]):
        return
    python = BIN / ("python.exe" if os.name == "nt" else "python")
    if not python.exists():
        print(f"Making {VENV} ...", flush=True)
        # Some systems ship Python without ensurepip: make a bare environment and let the outer pip fill it.
        subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
    print("Installing s4former and what it needs (PyTorch is large: some minutes) ...", flush=True)
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.check_call([*pip, "install", "--quiet", "--editable", target])
    STAMP.write_text(f"{wanted} {extra}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
