"""The short form of ``benchmarks/reliability.py``: each promise of docs/reliability.md, tried a few times."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from attacks import ATTACKS, attack_everything
from disks import VERBS, fail_at_every_write
from mutations import SURFACES, mutate
from restarting import kill_under_torchrun, stop_by_signals
from resuming import Kind, kill_and_resume
from soaking import growth

import trials
from time_limit import within
from trials import Trials, lacks_compiler

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(lacks_compiler()), reason=lacks_compiler())]


@pytest.fixture(scope="module")
def server() -> Trials:
    return trials.server()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trials")


def test_an_answer_that_a_time_limit_broke_off_is_not_the_next_calls(server: Trials) -> None:
    def over(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(TimeoutError):
            server.script("import time; time.sleep(1); print('first')")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert server.script("print('second')")[0].out == "second\n"


def test_a_run_killed_at_any_moment_ends_with_the_same_bits(server: Trials, tmp_path: Path) -> None:
    for record in kill_and_resume(server, tmp_path, [Kind()], moments=1, seed=1):
        assert record["differ"] == []


@pytest.mark.parametrize(("verb", "writes"), [("convert", 3), ("train", 1)])
def test_a_failing_disk_is_said_and_leaves_nothing_half(
    server: Trials, root: Path, verb: str, writes: int
) -> None:
    for record in fail_at_every_write(server, root, {verb: VERBS[verb]}, most=writes, seed=5):
        assert record["wrong"] == [], record


@pytest.mark.parametrize(("name", "times"), [("SIGUSR1", 1), ("SIGTERM", 2)])
def test_one_signal_saves_and_a_second_leaves(server: Trials, tmp_path: Path, name: str, times: int) -> None:
    record = stop_by_signals(tmp_path, name, times, server)
    assert record["code"] == 75
    assert record["states"][-1] == ("step_00000003" if times == 1 else "step_00000002")


def test_processes_that_torchrun_starts_anew_end_as_if_none_had_died(server: Trials, tmp_path: Path) -> None:
    record = kill_under_torchrun(tmp_path, 3, 1, server)
    assert record["codes"] == {"straight": 0, "killed": 0}, record["differ"]
    assert record["resumed"]
    assert record["differ"] == []


def test_attacks_are_refused(server: Trials, root: Path) -> None:
    some = [
        "saved_state_with_a_right_checksum",
        "pickle_by_opcodes",
        "yaml bomb in a run",
        "image of 2^62 pixels",
        "onnx reads through a link",
        "names_that_are_markup",
        ".s4former-outputs.jsonl is a link",
        ".s4former-predict.jsonl is a hard link",
        "photos/x.png is a pipe",
        "an image without an end",
    ]
    assert set(some) <= ATTACKS.keys()
    with within(600):
        for record in attack_everything(server, root, some):
            assert record["wrong"] == [], record


def test_sound_inputs_are_taken_and_mutated_ones_end_as_they_should(server: Trials, root: Path) -> None:
    for record in mutate(server, root, len(SURFACES), seed=0):
        assert record["wrong"] == [], record


def test_nothing_grows(server: Trials, tmp_path: Path) -> None:
    (trial,) = server.call("soaking:soak", str(tmp_path), 60, 0)
    grown = growth(trial.value)
    assert grown.pop("memory_kib") < 20_000
    assert not any(grown.values()), grown
    assert len(list((tmp_path / "run/checkpoint").glob("*.pt"))) == 2
