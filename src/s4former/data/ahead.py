"""Reading files ahead of those who use them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")
_MAX_BYTES = 2**28


def read_ahead(
    read: Callable[[K], T], keys: Iterable[K], threads: int, size: Callable[[T], int]
) -> Iterator[T]:
    """Yield what is read of each key, in their order, while threads read the next ones.

    Two for each thread are read ahead, as long as all of them take less than 256 MiB if they are like the
    newest one: of huge images none is.

    Args:
        read: Reads one.
        keys: What is read.
        threads: How many read.
        size: Bytes of one.
    """
    left, pending = iter(keys), deque[Future[T]]()
    pool = ThreadPoolExecutor(threads)

    def submit(ahead: int) -> None:
        pending.extend(pool.submit(read, key) for key in islice(left, max(0, ahead - len(pending))))

    try:
        submit(1)
        while pending:
            item = pending.popleft().result()
            submit(min(2 * threads, _MAX_BYTES // max(1, size(item))))
            yield item
            del item  # a huge one is let go before the next one is read
            submit(1)
    finally:
        pool.shutdown(cancel_futures=True)
