"""How long work on data reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, int, int | None], None]
"""Hears what is being done, how much of it is done, and how much there is in all (None: unknown)."""


def silent(what: str, done: int, total: int | None) -> None:
    """Report nothing."""
