"""What a run takes besides time."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch

_KIB = 1024


class PeakMemory:
    """The most memory in use since this object was made: of the CUDA device, if any, else of the process."""

    def __init__(self) -> None:
        self._cuda = torch.cuda.is_available()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        elif sys.platform == "linux":
            with suppress(OSError):  # of some sandboxes: there it is the peak of the whole process
                Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far

    def mib(self) -> int | None:
        """Return it in MiB, None where the system does not say."""
        if self._cuda:
            return int(torch.cuda.max_memory_allocated()) >> 20
        try:
            status = Path("/proc/self/status").read_text(encoding="utf-8")
        except OSError:
            return None
        line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
        return int(line.split()[1]) // _KIB if line else None
