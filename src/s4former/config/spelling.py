"""How messages spell the options of a call: for those who type commands, or for those who write Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_flags: Mapping[str, str] | None = None


def option(name: str) -> str:
    """Return the name of an argument: ``--out`` or, in Python, ``out``."""
    return name if _flags is None else _flags.get(name, f"--{name}")


def switch(name: str) -> str:
    """Return an argument that is turned on: ``--resume`` or, in Python, ``resume=True``."""
    return f"{name}=True" if _flags is None else option(name)


def setting(name: str, value: str) -> str:
    """Return an override, as in ``device=cpu``, or ``--device cpu`` where that is an option of its own."""
    flag = (_flags or {}).get(name)
    return f"{flag} {value}" if flag else f"{name}={value}"


@contextmanager
def on_command_line(flags: Mapping[str, str]) -> Iterator[None]:
    """Spell options as a command line does, inside of the block.

    Args:
        flags: Those that are not ``--`` and their name in Python, and overrides that are options.
    """
    global _flags
    before, _flags = _flags, flags
    try:
        yield
    finally:
        _flags = before
