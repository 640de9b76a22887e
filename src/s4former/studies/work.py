"""Doing the work of a study: each run in its folder, by one process; finished ones stay as they are."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from s4former.config.errors import NumericError, UserError
from s4former.config.invocation import invocation
from s4former.config.record import read_json, write_json
from s4former.engine.callbacks import Callback
from s4former.engine.folder import differences, earlier_run
from s4former.engine.loop import train
from s4former.engine.run import Run
from s4former.studies.plan import PlannedRun

_KIB = 1024
COST = "cost.json"
"""What a run took, beside its result."""
_PAUSE = 5.0


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Lock a file while the block runs, unless another process has; return whether this one has it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)  # which gives the lock up, as the end of the process does


def _locked(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class PeakMemory:
    """The most memory in use since this object was made: of the CUDA device, if any, else of the process."""

    def __init__(self) -> None:
        self._cuda = torch.cuda.is_available()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        elif sys.platform == "linux":
            with suppress(OSError):  # where this is not allowed, it is the peak of the whole process
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


def finished(folder: Path) -> bool:
    """Return whether a run has taken all its steps."""
    return (folder / "result.json").is_file()


def work(
    planned: Sequence[PlannedRun],
    runs: Path,
    say: Callable[[str], object],
    progress: Callable[[], Callback] = Callback,
) -> list[PlannedRun]:
    """Train what is not finished, one run at a time, and return what other processes are training.

    A run that another process has claimed is left to it; a run that goes on from one of those is waited for.

    Args:
        planned: The runs, each first part before those that go on from it.
        runs: Folder of all runs.
        say: Hears what is done.
        progress: Makes who hears of the training of one run.

    Raises:
        NumericError: If a first part has a loss that is not finite; a row that has one is left out.
        Interrupted: If a signal asked to stop; the run is saved.
    """
    left = [each for each in planned if not finished(runs / each.place)]
    while left:
        before = len(left)
        left = [each for each in left if not _taken(each, planned, runs, say, progress)]
        awaited = [each.first for each in left if each.first and not finished(runs / each.first)]
        if not awaited:
            break
        if len(left) == before:
            say(f"waiting for {awaited[0]}, which another process trains")
        time.sleep(_PAUSE)
    return [each for each in left if not finished(runs / each.place)]


def _taken(
    each: PlannedRun,
    planned: Sequence[PlannedRun],
    runs: Path,
    say: Callable[[str], object],
    progress: Callable[[], Callback],
) -> bool:
    """Train a run unless it cannot be started yet or another process has it; return whether it is settled."""
    if each.first and not finished(runs / each.first):
        return False
    with claimed(runs / "claims" / f"{each.place.replace('/', '_')}.lock") as mine:
        if not mine or finished(runs / each.place):
            return mine
        done = sum(finished(runs / other.place) for other in planned)
        say(f"{each.place}: {done} of {len(planned)} runs are finished")
        for note in each.notes:
            say(f"  {note}")
        try:
            _train(each, runs, progress)
        except NumericError as error:
            if each.row is None:  # what goes on from it could not
                raise
            say(f"{each.place} is left out: {error}")
        return True


def _train(each: PlannedRun, runs: Path, progress: Callable[[], Callback]) -> None:
    folder = runs / each.place
    before = earlier_run(folder, resume=True)
    memory = PeakMemory()
    with progress() as shown:
        train(_as_started(each.run, before), folder, resume=True, progress=shown)
    write_json(folder / COST, {"peak_memory_mib": memory.mib()})
    for superseded in ("checkpoint", "model_best"):  # nine tenths of the disk space of a finished run
        shutil.rmtree(folder / superseded, ignore_errors=True)


def _as_started(run: Run, before: dict[str, object] | None) -> Run:
    """Return a run with the first part where it was when the run was started, if it goes on."""
    if not before or run.load_from is None or not before.get("load_from"):
        return run
    started = str(before["load_from"])
    same = Path(started).parts[-2:] == Path(run.load_from).parts[-2:]
    return run.model_copy(update={"load_from": started}) if same else run


def require_same(planned: Iterable[PlannedRun], runs: Path) -> None:
    """Make sure that the folders of runs hold the planned ones, if any.

    Raises:
        UserError: If not; the message names what differs.
    """
    for each in planned:
        folder = runs / each.place
        before = earlier_run(folder, resume=True)
        changes = differences(folder, _as_started(each.run.resolved(before), before)) if before else ""
        if changes:
            raise UserError(
                f"{folder} holds a run with other settings: {changes}. Ask for what was compared there, or "
                f"choose another {invocation().out}"
            )


def state_of(each: PlannedRun, runs: Path) -> str:
    """Return in words how far a run is."""
    folder = runs / each.place
    if finished(folder):
        return f"finished, {read_json(folder / 'result.json')['steps']} steps"
    if (folder / "run.json").is_file():
        from s4former.engine.checkpoint import Checkpoints

        step = Checkpoints(folder).newest_step()
        return f"begun, {step or 0} of {each.run.steps} steps saved"
    return f"{each.run.steps} steps to take"
