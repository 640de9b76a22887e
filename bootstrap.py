#!/usr/bin/env python3
"""Set everything up in .venv, then run one thing. Needs nothing but Python >= 3.11 and pip.

    python3 bootstrap.py demo        set up, then train the embedded demo
    python3 bootstrap.py test        set up with the developer tools, then run all tests
    python3 bootstrap.py check       lint, types, imports and fast tests
    python3 bootstrap.py lint        lint, types and imports only
    python3 bootstrap.py setup       set up only
    python3 bootstrap.py s4former train demo steps=40 --out runs/short      any command of the package

A second call installs nothing unless pyproject.toml or the Python has changed.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "s4former-setup.txt"

LINT = [
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["lint-imports"],
    ["mypy"],
]
COMMANDS = {
    "setup": [],
    "demo": [["s4former", "demo"]],
    "lint": LINT,
    "check": [*LINT, ["pytest", "-m", "not slow and not gpu", "-n", "2", "--dist", "loadfile"]],
    "test": [["pytest"]],
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
        folder = None if name == "s4former" else ROOT
        status = subprocess.call([str(BIN / command[0]), *command[1:], *extra], cwd=folder)
        if status:
            return status
    return 0


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
