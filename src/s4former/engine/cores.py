"""How many cores of this machine there are for a process that starts now."""

from __future__ import annotations

import os
import time
from pathlib import Path

_LOOK = 0.5


def free_cores() -> float:
    """Return how many of the cores that this process may use are idle at the moment.

    Linux tells what each core did during half a second, and what a container may use; elsewhere the load of
    the last minute has to do, and on Windows all cores count as free.
    """
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    used = _used_now(mine)
    if used is None:
        used = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return min(len(mine) - used, _granted())


def _used_now(cores: set[int]) -> float | None:
    """Return how many of the cores are busy while this process sleeps; None where that is not told."""
    before = _times(cores)
    time.sleep(_LOOK if before else 0)
    after = _times(cores)
    if not before or not after:
        return None
    spent = [(total - before[core][0], idle - before[core][1]) for core, (total, idle) in after.items()]
    return sum(1 - idle / total for total, idle in spent if total > 0)


def _times(cores: set[int]) -> dict[int, tuple[int, int]]:
    """Return the time that each core has spent, and what of it idly, since the machine started."""
    try:
        lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    except OSError:
        return {}
    counters = {int(name[3:]): [*map(int, rest)] for name, *rest in lines if name[:3] == "cpu" and name[3:]}
    # user, nice, system, idle, waiting for a disk, interrupts (2), stolen by other guests of the host; what
    # follows is part of user.
    return {core: (sum(counters[core][:8]), sum(counters[core][3:5])) for core in cores if core in counters}


def _granted() -> float:
    """Return how many cores a container grants at most."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return float(quota) / float(period)
    except (OSError, ValueError):  # not in a container, or one without a limit: "max 100000"
        return float("inf")
