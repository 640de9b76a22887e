"""Trials: functions called in fresh processes that fork in an instant, on a disk that fails, or killed.

A server imports the package once, without the checks of shapes and types, and forks for each trial. It is
started with ``faults.c`` preloaded, so that the n-th write below a folder, whichever library makes it, is
refused or is the process's last.
"""

from __future__ import annotations

import atexit
import base64
import ctypes
import functools
import importlib
import json
import mmap
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import environment, free_port

KILL = 0
UNCAUGHT = 99  # the exit code after an exception that nothing caught


def lacks_compiler() -> str:
    """Return why there can be no trials, empty if there can be."""
    return (
        "" if shutil.which("cc") and sys.platform == "linux" else "failing disks need Linux and a C compiler"
    )


@dataclass(frozen=True)
class Fault:
    """From which write on a disk fails.

    Attributes:
        below: The folder on the disk.
        number: The first write that fails, from 1; 0: none, they are only counted.
        error: The errno; `KILL`: the process is killed in the middle of it.
        stays: Whether all later writes fail as well.
    """

    below: str
    number: int = 0
    error: int = KILL
    stays: bool = False


@dataclass(frozen=True)
class Trial:
    """How a trial ended.

    Attributes:
        code: The exit code; negative: the signal.
        out: What it printed to stdout.
        err: What it printed to stderr.
        writes: Writes below the folder of its fault.
        seconds: What it took.
        value: What the function returned.
    """

    code: int
    out: str
    err: str
    writes: int
    seconds: float
    value: Any


class Trials:
    """The server; one call at a time, of one process or several that train together."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server, self._orders = server, 0

    def call(
        self,
        function: str,
        *arguments: Any,
        place: Path | None = None,
        fault: Fault | None = None,
        kill_after: float | None = None,
        processes: int = 1,
        patience: float = 300,
    ) -> list[Trial]:
        """Call ``module:function`` in new processes and wait for them.

        Args:
            function: What to call.
            arguments: Plain data.
            place: The working folder.
            fault: What happens to the disk of the first process.
            kill_after: Seconds until the last process is killed.
            processes: How many there are.
            patience: Seconds until they are given up and killed.
        """
        order = (function, arguments, str(place or Path.cwd()), fault, kill_after, processes, patience)
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(base64.b64encode(pickle.dumps(order)).decode() + "\n")
        self._server.stdin.flush()
        self._orders += 1
        for answer in self._server.stdout:
            number, ends = json.loads(answer)
            if number == self._orders:  # not that of a call that a test's time limit broke off
                return [Trial(**each) for each in ends]
        raise AssertionError("the server of trials is gone")

    def command(self, *words: object, **more: Any) -> Trial:
        """Run ``s4former`` as a shell would."""
        return self.call("trials:run_command", [str(word) for word in words], **more)[0]

    def script(self, text: str, *words: object, **more: Any) -> list[Trial]:
        """Run a script, with ``RANK``, ``Path``, ``os``, ``signal`` and ``sys`` at hand."""
        return self.call("trials:run_script", text, [str(word) for word in words], **more)


@functools.cache
def server() -> Trials:
    """Return the server that tests share, which lives as long as they do."""
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(trials())


@contextmanager
def trials() -> Iterator[Trials]:
    """Start a server, and end it; without a compiler there are no failing disks."""
    with tempfile.TemporaryDirectory() as scratch:
        more = {"COLUMNS": "120", "HF_HUB_OFFLINE": "1"}
        if not lacks_compiler():
            library = Path(scratch) / "faults.so"
            source = Path(__file__).with_name("faults.c")
            subprocess.run(
                ["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
                check=True,
                capture_output=True,
            )
            more["LD_PRELOAD"] = str(library)
        started = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(**more),
        )
        try:
            yield Trials(started)
        finally:
            assert started.stdin
            started.stdin.close()
            started.wait(timeout=60)


def run_command(words: list[str], program: str = "s4former") -> int:
    """Be a command: ``s4former``, or a tool of the released command lines by its file's name."""
    from s4former.__main__ import main

    sys.argv = [program, *words]
    if program.startswith("tools/"):
        main = importlib.import_module(f"s4former.compat.mmseg_{Path(program).stem}").main
    main()
    return 0


def run_script(text: str, words: list[str]) -> None:
    """Be a script, as ``python -c`` would run it."""
    sys.argv = ["-c", *words]
    at_hand = {"RANK": int(os.environ.get("RANK", 0)), "Path": Path, "os": os, "signal": signal, "sys": sys}
    exec(text, {"__name__": "__main__", **at_hand})


def serve() -> None:
    """Answer orders until there are no more."""
    import torch

    import s4former.cli.main
    import s4former.compat.mmseg_test
    import s4former.engine.loop
    import s4former.inference.predict  # noqa: F401

    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w")  # stdout of its own, whatever trials print
    os.dup2(2, 1)
    for number, line in enumerate(sys.stdin, 1):
        ends = _answer(*pickle.loads(base64.b64decode(line)))
        answers.write(json.dumps([number, ends]) + "\n")
        answers.flush()


def _answer(
    function: str,
    arguments: tuple[Any, ...],
    place: str,
    fault: Fault | None,
    kill_after: float | None,
    processes: int,
    patience: float,
) -> list[dict[str, Any]]:
    counter, begun = mmap.mmap(-1, 8), time.monotonic()
    port = str(free_port())
    with tempfile.TemporaryDirectory() as scratch:
        children = []
        for rank in range(processes):
            files = [Path(scratch) / f"{name}{rank}" for name in ("out", "err", "value")]
            child = os.fork()
            if not child:
                _be(
                    function,
                    arguments,
                    place,
                    fault if rank == 0 else None,
                    counter,
                    files,
                    rank,
                    processes,
                    port,
                )
            children.append((child, files))
        ends = _wait([child for child, _ in children], kill_after, patience)
        seconds = time.monotonic() - begun
        writes = int.from_bytes(counter[:8], sys.byteorder)
        return [
            {
                "code": ends[child],
                "out": out.read_text(errors="replace"),
                "err": err.read_text(errors="replace"),
                "writes": writes,
                "seconds": seconds,
                "value": json.loads(value.read_text()) if value.exists() else None,
            }
            for child, (out, err, value) in children
        ]


def _be(
    function: str,
    arguments: tuple[Any, ...],
    place: str,
    fault: Fault | None,
    counter: mmap.mmap,
    files: list[Path],
    rank: int,
    processes: int,
    port: str,
) -> None:
    """Be the process of a trial, to its end."""
    code = 0
    try:
        os.setsid()
        for file, number in zip(files[:2], (1, 2), strict=True):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(place)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if processes > 1:
            names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
            os.environ |= {name: str(value) for name, value in names.items()}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        module, _, name = function.partition(":")
        called = getattr(importlib.import_module(module), name)
        if fault:
            address = ctypes.addressof(ctypes.c_long.from_buffer(counter))
            below = os.path.realpath(fault.below).encode()
            ctypes.CDLL(None).fault_arm(
                below, ctypes.c_void_p(address), ctypes.c_long(fault.number), fault.error, int(fault.stays)
            )
        value = called(*arguments)
        code = value if function == "trials:run_command" else 0
        files[2].write_text(json.dumps(value))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = UNCAUGHT
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(children: list[int], kill_after: float | None, patience: float) -> dict[int, int]:
    """Return how each process ended; those that are still there in the end are killed with their own."""
    begun, ends = time.monotonic(), dict[int, int]()
    while len(ends) < len(children):
        for child in set(children) - ends.keys():
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                ends[child] = os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - begun
        if kill_after is not None and passed > kill_after and children[-1] not in ends:
            os.kill(children[-1], signal.SIGKILL)
            kill_after = None
        if passed > patience:
            for child in set(children) - ends.keys():
                os.killpg(child, signal.SIGKILL)
            patience = float("inf")
        time.sleep(0.002)
    for child in children:  # its data workers
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    return ends


if __name__ == "__main__":
    sys.modules["trials"] = sys.modules["__main__"]
    serve()
