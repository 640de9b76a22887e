"""What a process that a test starts finds around it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

TESTS = Path(__file__).parent
PARTS = ("absent", "reliability", "cli", "laws", ".")  # folders of modules that new processes import


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """Return the environment in which a new Python finds the package and the tests, and sees no GPU."""
    kept = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    path = os.pathsep.join([*(str(TESTS / part) for part in PARTS), *sys.path])
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **more}
