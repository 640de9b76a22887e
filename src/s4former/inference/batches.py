"""Images of one size together, whatever their order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
S = TypeVar("S", bound=Hashable)


def by_size(
    items: Iterable[T], size: Callable[[T], S], at_once: Callable[[S], int], held: int = 32
) -> Iterator[list[T]]:
    """Yield items of one size together.

    Args:
        items: The items; those of a size stay in their order.
        size: Returns the size of one.
        at_once: Returns how many of a size are wanted together.
        held: How many wait for others of their size at most.
    """
    waiting: dict[S, list[T]] = {}
    for item in items:
        its = size(item)
        batch = waiting.setdefault(its, [])
        batch.append(item)
        full = len(batch) >= at_once(its)
        del item, batch  # a huge image is let go before the next one is read
        if full:
            yield waiting.pop(its)
        elif sum(map(len, waiting.values())) > held:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()
