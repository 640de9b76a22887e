"""Writing files behind those who make what is in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

_MAX_BYTES = 2**28


@contextmanager
def behind(threads: int) -> Iterator[Callable[[Callable[[], None], int], None]]:
    """Return what takes a piece of work and its bytes, done by threads before the block ends.

    What waits takes 256 MiB at most: a huge image is waited for. With no threads, all is done at once. What
    fails is raised when its turn comes.
    """
    pending = deque[tuple[Future[None], int]]()

    def add(work: Callable[[], None], size: int) -> None:
        if not threads:
            return work()
        pending.append((pool.submit(work), size))
        while len(pending) > 4 * threads or sum(size for _, size in pending) > _MAX_BYTES:
            _ = pending.popleft()[0].result()
        return None

    pool = ThreadPoolExecutor(max(1, threads))
    try:
        yield add
        for future, _ in pending:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
