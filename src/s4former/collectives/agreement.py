"""Making processes agree: what goes wrong in one is raised in all, at the same place."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import distributed as dist

from s4former.collectives import batch
from s4former.config.errors import UserError

T = TypeVar("T")
_UNSHARED = "unshared"  # an attribute of errors


def any_rank(mine: bool) -> bool:
    """Return whether it is so in any process."""
    if batch.world_size() == 1:
        return mine
    return bool(batch.total(torch.tensor(int(mine))))


def gathered(mine: T) -> list[T]:
    """Return what each process gave, in their order."""
    if batch.world_size() == 1:
        return [mine]
    given: list[Any] = [None] * batch.world_size()
    dist.all_gather_object(given, mine)
    return given


def require_same(what: str, mine: str) -> None:
    """Make sure that all processes have the same ``mine``.

    Raises:
        UserError: If not.
    """
    if len(set(gathered(mine))) > 1:
        raise UserError(f"{what} differs between the processes; give every machine the same files")


@contextmanager
def raise_on_all_ranks() -> Iterator[None]:
    """Raise at the end of the block, in every process, what was raised inside it in any.

    Nothing in the block may wait for other processes, unless it marks errors in between (`mark_unshared`).
    """
    if batch.world_size() == 1:
        yield
        return
    own: Exception | None = None
    try:
        yield
    except Exception as error:
        if vars(error).get(_UNSHARED):
            raise
        own = error
    if any_rank(own is not None):
        errors = gathered(_portable(own))
        raise own or next(error for error in errors if error is not None)


def mark_unshared(error: Exception) -> None:
    """Mark an error of this process that the others cannot be told: they wait for it elsewhere."""
    vars(error)[_UNSHARED] = True


def _portable(error: Exception | None) -> Exception | None:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # an exception may hold anything
        return RuntimeError(f"in process {batch.rank()}: {type(error).__name__}: {error}")
    return error


def on_rank0(function: Callable[[], T]) -> T:
    """Return what ``function`` returns in process 0, which alone calls it, or raise what it raises."""
    result: T | None = None
    with raise_on_all_ranks():
        if batch.rank() == 0:
            result = function()
    return cast(T, gathered(result)[0])


def in_lockstep(items: Iterator[T]) -> Iterator[T]:
    """Yield the items that each process has, as many in each; failing to get one fails in all."""
    while True:
        with raise_on_all_ranks():
            item = next(items, None)
        if item is None:
            return
        yield item
