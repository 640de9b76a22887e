"""Whose code may be imported: a file that others may have written imports nothing of its own choice."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from s4former.config.errors import UserError

TRUST = "S4FORMER_TRUST"
"""Environment variable: modules and packages that any file may name, with commas or spaces between."""
_PACKAGE = __name__.partition(".")[0]
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_FROM = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+([\w ,]+)", re.MULTILINE)


@dataclass(frozen=True)
class _Reading:
    where: str
    asked: frozenset[str]


_reading: ContextVar[_Reading | None] = ContextVar("reading", default=None)


@contextmanager
def named_by(where: object, asked: Iterable[str] = ()) -> Iterator[None]:
    """Let what is read in the block import no module that does not come with this package, unless trusted.

    Trusted are modules that this process has imported already, and those in the environment variable `TRUST`.

    Args:
        where: What is read, for the message.
        asked: Modules that the person who reads it has named as well.
    """
    token = _reading.set(_Reading(str(where), frozenset(asked)))
    try:
        yield
    finally:
        _reading.reset(token)


def require_trusted(name: str, kind: str) -> None:
    """Refuse to import a module that only a file of others names.

    Args:
        name: The module's import path.
        kind: What it is meant to define, for the message.

    Raises:
        UserError: If nobody but the file asked for it; the message says how to.
    """
    reading = _reading.get()
    if reading is None or name in sys.modules or name.partition(".")[0] == _PACKAGE:
        return
    trusted = re.split(r"[\s,]+", os.environ.get(TRUST, ""))
    if name in reading.asked or any(f"{name}.".startswith(f"{each}.") for each in trusted if each):
        return
    raise UserError(
        f"{reading.where} names the {kind} {name!r}: that is code which does not come with s4former, and it "
        f"is not run because a file says so. If you trust it, set the environment variable {TRUST}={name} "
        f"(or its package), or import {name} in Python first"
    )


def modules_in(text: str) -> set[str]:
    """Return what may be modules in a text of the user's own, as a config or overrides: all dotted names."""
    imported = {
        f"{package}.{name}"
        for package, names in _FROM.findall(text)
        for name in re.split(r"[ ,]+", names)
        if name
    }
    return {*_DOTTED.findall(text), *imported}
