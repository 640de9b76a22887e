"""A long run of small steps, with scoring and saving, and what the process holds on the way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from s4former.engine.callbacks import Callback
from tiny_run import make_data, tiny_run


def held() -> dict[str, int]:
    """Return the memory in KiB, and numbers of open files, threads, processes and files of shared memory."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "memory_kib": int(status["VmRSS"].split()[0]),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": int(status["Threads"]),
        "children": len(children),
        "shared_memory": sum(f"_{os.getpid()}_" in path.name for path in Path("/dev/shm").iterdir()),
    }


class Watch(Callback):
    """Looks at the process every so many steps."""

    def __init__(self, every: int) -> None:
        self.every, self.seen = every, list[Mapping[str, int]]()

    def on_step(self, step: int) -> None:
        """Look."""
        if step % self.every == 0:
            self.seen.append({"step": step, **held()})


def soak(folder: str, steps: int, workers: int) -> list[dict[str, Any]]:
    """Train a tiny run for so many steps; return what was held at twenty moments of it."""
    from s4former.engine import train

    data, watch = make_data(Path(folder) / "data", train=6, val=2), Watch(max(1, steps // 20))
    train(tiny_run(data, {"steps": 3}), Path(folder) / "warm")  # fonts and the like are loaded once
    often = max(1, steps // 50)
    changes = {"steps": steps, "evaluate_every": often, "save_every": often, "data.num_workers": workers}
    train(tiny_run(data, changes | {"log_every": often}), Path(folder) / "run", progress=watch)
    return [dict(seen) for seen in watch.seen]


def growth(seen: list[dict[str, int]]) -> dict[str, int]:
    """Return how much more was held in the last fifth than in the second one, when all is warm."""
    fifth = max(1, len(seen) // 5)
    early, late = seen[fifth : 2 * fifth], seen[-fifth:]
    return {
        name: max(each[name] for each in late) - max(each[name] for each in early)
        for name in seen[0]
        if name != "step"
    }
