"""How the package was called, so that advice can be followed as it is printed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "S4FORMER_PROGRAM"
"""Environment variable of those who start the command line for somebody: what that person types for it."""


@dataclass(frozen=True)
class Invocation:
    """What to type, or to write in Python, to call again.

    Attributes:
        resume: How to go on with the same run, as an order: ``type `s4former train demo --resume` ``.
        out: What names the run folder.
        replay: How to take a step once more that was not finite.
    """

    resume: str = "make the same call with resume=True"
    out: str = "out="
    replay: str = "call s4former.engine.replay with the run and its folder"


_FROM_PYTHON = Invocation()
_current = ContextVar("invocation", default=_FROM_PYTHON)


def invocation() -> Invocation:
    """Return how the package was called: from Python, unless a command line has said otherwise."""
    return _current.get()


@contextmanager
def invoked(resume: str, out: str, replay: str = _FROM_PYTHON.replay) -> Iterator[None]:
    """Let advice name the options of a command line; the arguments are those of `Invocation`."""
    token = _current.set(Invocation(resume, out, replay))
    try:
        yield
    finally:
        _current.reset(token)


def typed(command: str, arguments: Sequence[str], option: str = "") -> str:
    """Return a command line as a shell reads it, with one option more unless it is there already."""
    given = list(arguments)
    if option and option not in given:
        end = given.index("--") if "--" in given else len(given)
        given.insert(end, option)
    quoted = subprocess.list2cmdline(given) if os.name == "nt" else shlex.join(given)
    return f"{command} {quoted}".rstrip()


def again(command: str, option: str = "") -> str:
    """Return the order to type this process's command line, with one option more.

    Args:
        command: What starts it, as `program` returns it.
        option: The option; empty if there is none to add.
    """
    return f"type `{typed(command, sys.argv[1:], option)}`"


def program() -> str:
    """Return what starts ``s4former`` in the terminal that this process runs in."""
    if PROGRAM in os.environ:
        return os.environ[PROGRAM]
    script = Path(sys.argv[0])
    if script.name == "__main__.py":
        return python("-m", "s4former")
    found = shutil.which("s4former")
    if script.name.partition(".")[0] == "s4former" and script.is_absolute() and found != str(script):
        return _quoted(str(script))
    return "s4former"


@contextmanager
def starting_others() -> Iterator[None]:
    """Let processes that are started in the block name commands as this one does."""
    before, os.environ[PROGRAM] = os.environ.get(PROGRAM), program()
    try:
        yield
    finally:
        if before is None:
            del os.environ[PROGRAM]
        else:
            os.environ[PROGRAM] = before


def as_typed(text: str) -> str:
    """Return a text with its commands, as in `` `s4former recipes` ``, as this terminal knows them."""
    return text.replace("`s4former ", f"`{program()} ")


def python(*script: str) -> str:
    """Return what starts a script with this Python in the terminal that this process runs in."""
    names = ("python", "python3")
    found = next((name for name in names if shutil.which(name) == sys.executable), _quoted(sys.executable))
    return typed(found, script)


def _quoted(path: str) -> str:
    return subprocess.list2cmdline([path]) if os.name == "nt" else shlex.quote(path)
