"""Ends what would wait for ever, as for whoever writes into a named pipe."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class WaitedTooLongError(BaseException):
    """Not an Exception, which a reader could take for a broken file."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let the block fail if it takes longer."""

    def over(*_: object) -> None:
        raise WaitedTooLongError(f"it did not end within {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
