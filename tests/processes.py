"""Functions run by two processes of one thread each, as torchrun would start them on one machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
_HEAD = """
import os, signal, sys
from pathlib import Path
RANK = int(os.environ["RANK"])
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """Return the environment in which a new Python finds the package and the tests, and sees no GPU."""
    kept = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    path = os.pathsep.join([str(TESTS), str(TESTS / "laws"), *sys.path])
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **more}


def start(script: str, *arguments: object, count: int = 2) -> list[subprocess.Popen[str]]:
    """Start ``script`` (with ``RANK`` defined) in ``count`` processes that can join each other."""
    port = str(free_port())
    return [
        subprocess.Popen(
            [sys.executable, "-c", _HEAD + script, *map(str, arguments)],
            env=environment(
                RANK=str(rank),
                LOCAL_RANK=str(rank),
                WORLD_SIZE=str(count),
                LOCAL_WORLD_SIZE=str(count),
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=port,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def finish(processes: list[subprocess.Popen[str]], seconds: float = 240) -> list[tuple[int, str, str]]:
    """Return exit code, stdout and stderr of each process; none is left behind."""
    try:
        ends = []
        for process in processes:
            out, err = process.communicate(timeout=seconds)
            ends.append((process.returncode, out, err))
        return ends
    finally:
        for process in processes:
            process.kill()


def run_processes(script: str, *arguments: object, count: int = 2) -> None:
    """Run ``script`` in ``count`` processes and make sure that each ended well."""
    for rank, (code, _, err) in enumerate(finish(start(script, *arguments, count=count))):
        assert code == 0, f"process {rank}: {err}"
