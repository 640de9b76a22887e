"""Stopping a run from outside: the first signal finishes the step and saves, the second stops at once.

Where there is nothing to save, before the first step and after the last one, the first one stops at once too.
Schedulers send SIGTERM, or SIGUSR1 some time ahead; a terminal sends SIGINT.

Processes that train together receive a signal more than once: a terminal sends it to all of them, and so does
what started them. Soon after the first, a signal is taken for its echo there.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from s4former import collectives
from s4former.config.errors import Interrupted, StoppedAtOnce
from s4former.config.invocation import invocation

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
_ECHO_SECONDS = 5.0


class StopRequest:
    """Listens for signals to stop while its ``with`` block runs (in the main thread; deaf elsewhere).

    Args:
        at_once: Whether the first signal already ends the block.

    Attributes:
        requested: Whether a signal has come.
    """

    def __init__(self, at_once: bool = False) -> None:
        self.requested = False
        self._at_once = at_once
        self._process = os.getpid()
        self._first = -math.inf
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._heard) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is KeyboardInterrupt and self.requested:
            raise StoppedAtOnce(
                f"stopped at once; {invocation().resume} to go on from the last saved step, if any"
            ) from None

    def asked(self) -> bool:
        """Return whether a signal has come in any process; all of them have to ask."""
        return collectives.any_rank(self.requested)

    def interrupted(self, step: int, steps: int, folder: Path) -> Interrupted:
        """Return what is raised once the state after ``step`` updates is saved."""
        return Interrupted(
            f"stopped after step {step} of {steps}, which is saved in {folder}; "
            f"{invocation().resume} to go on"
        )

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return  # a data worker inherits this handler; the run ends it when it is done
        if self.requested and collectives.world_size() > 1 and time.monotonic() < self._first + _ECHO_SECONDS:
            return
        leave = self.requested or self._at_once
        self.requested, self._first = True, time.monotonic()
        if leave:
            # It may come while a file is decoded, where an Exception would be taken for a broken file.
            raise KeyboardInterrupt


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Let a signal end the block, as one that can be made up for."""
    with StopRequest(at_once=True):
        yield
