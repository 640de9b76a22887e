"""Running out of memory: telling it from other errors, and what a training run says then."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from s4former.config.errors import OutOfMemory
from s4former.config.invocation import invocation
from s4former.engine.run import Run

_SIGNS = {
    "DataLoader worker": "a process that prepares batches was ended, most likely for lack of memory",
    "can't allocate memory": "there is not enough memory",
    "shared memory": "there is not enough shared memory for batches to be handed over",
}
"""What messages of torch hold when memory is short, and how people say it."""


def lack_of_memory(error: BaseException) -> str | None:
    """Return in words what ran out, None if it was something else that went wrong."""
    if isinstance(error, torch.OutOfMemoryError):
        return f"the device is out of memory ({str(error).splitlines()[0]})"
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return "there is not enough memory"
    if isinstance(error, RuntimeError):
        return next((words for sign, words in _SIGNS.items() if sign in str(error)), None)
    return None


@contextmanager
def memory_watched(run: Run, saved: Callable[[], str]) -> Iterator[None]:
    """Say what is saved, how to go on and how to need less, should the block run out of memory.

    Args:
        run: The run.
        saved: Returns a sentence on what there is to go back to.

    Raises:
        OutOfMemory: Instead of whatever says so.
    """
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        what = lack_of_memory(error)
        if what is None:
            raise
        raise OutOfMemory(
            f"{what}. {saved()} {_advice(run, isinstance(error, torch.OutOfMemoryError))}"
        ) from error


def _advice(run: Run, on_device: bool) -> str:
    smaller = "a smaller data.crop_size, smaller batch sizes or model.recompute_activations=all"
    if on_device:
        return f"A resumed run would need as much, so start another one with {smaller}."
    settings = ["data.num_workers=0"] if run.data.num_workers else []
    if run.data.cache_images:
        settings.append(f"data.cache_images={run.data.cache_images // 4}")
    less = (
        f"; with {' '.join(settings)} added it needs less memory and comes to the same end"
        if settings
        else ""
    )
    resume = invocation().resume
    return (
        f"{resume[0].upper()}{resume[1:]} to go on{less}. If that is still too much, start another run with "
        f"{smaller}."
    )
