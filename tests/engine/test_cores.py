"""How many threads a run takes beside other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from s4former.config import Interrupted, read_json
from s4former.engine import cores, device, train
from s4former.engine.callbacks import Callback
from s4former.engine.device import fewer_threads, resolve_threads
from tiny_run import make_data, tiny_run


def stat(*lines: str) -> str:
    return "cpu 1 1 1 1 1 1 1 1 0 0\n" + "\n".join(lines) + "\nintr 5\nctxt 7\n"


@pytest.fixture
def two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Core 0 is busy, 1 half of the time, 2 waits for a disk; 3 is none of this process's."""
    texts = {
        "/proc/stat": iter(
            [
                stat(*(f"cpu{core} 10 0 0 10 0 0 0 0 0 0" for core in range(4))),
                stat(
                    "cpu0 40 5 5 10 0 0 5 5 40 0",
                    "cpu1 30 0 5 35 0 0 0 0 0 0",
                    "cpu2 10 0 0 10 50 0 0 0 0 0",
                    "cpu3 60 0 0 10 0 0 0 0 0 0",
                ),
            ]
        ),
        "/sys/fs/cgroup/cpu.max": iter(["max 100000\n"]),
    }
    monkeypatch.setattr(Path, "read_text", lambda self, *_: next(texts[str(self)]))
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setattr(cores, "_LOOK", 0)


@pytest.mark.usefixtures("two_looks")
def test_cores_of_others_are_not_free() -> None:
    assert cores.free_cores() == pytest.approx(3 - 1 - 0.5)


def test_a_container_grants_no_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_used_now", lambda _: 0.0)
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda self, *_: "250000 100000\n")
    assert cores.free_cores() == 2.5


@pytest.mark.parametrize(("free", "threads"), [(4.0, 4), (3.6, 4), (2.2, 2), (0.1, 1), (-3.0, 1), (9.0, 4)])
def test_a_run_takes_the_threads_that_find_a_core(
    monkeypatch: pytest.MonkeyPatch, free: float, threads: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(device, "free_cores", lambda: free)
    assert resolve_threads() == threads
    assert ("threads=4 takes all" in fewer_threads(threads)) == (threads < 4)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert resolve_threads() == 4, "as the user said"


class Ear(Callback):
    """Remembers what is said, and stops the run after its second step."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def on_message(self, text: str) -> None:
        self.notes.append(text)

    def on_step(self, step: int) -> None:
        if step == 2:
            raise Interrupted("cut off")


def test_a_resumed_run_keeps_its_threads_and_leaves_the_process_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums depend on the number of threads in their last bits, however busy the machine is by then."""
    run = tiny_run(make_data(tmp_path / "data"), {"threads": "auto"})
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        monkeypatch.setattr("s4former.engine.device.resolve_threads", lambda: 1)
        first, then = Ear(), Ear()
        with pytest.raises(Interrupted):
            train(run, tmp_path / "run", progress=first)
        assert torch.get_num_threads() == 2
        monkeypatch.setattr("s4former.engine.device.resolve_threads", lambda: 2)
        with pytest.raises(Interrupted):
            train(run, tmp_path / "run", resume=True, progress=then)
        record: dict[str, Any] = read_json(tmp_path / "run" / "run.json")
    finally:
        torch.set_num_threads(before)
    assert record["run"]["threads"] == 1
    assert [each["hardware"]["threads"] for each in record["resumed"]] == [1]
    assert any("1 of 2 threads" in note for note in first.notes)
    assert not any("threads=2" in note for note in then.notes)
