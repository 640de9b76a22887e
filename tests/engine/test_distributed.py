"""Whole runs of two processes: they end as one process does, and stop, fail and go on together."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from processes import finish, run_processes, start
from s4former.config import UserError
from s4former.engine import distributed, read_lines, train
from s4former.models import build_segmenter
from tiny_run import make_data, tiny_run

CHANGES: dict[str, Any] = {"model.head": "setr_pup", "model.head.channels": 8, "model.head.num_convs": 2}

_SCRIPT = """
import json
import torch
from s4former.config.errors import S4FormerError
from s4former.engine.loop import train
from test_distributed import CHANGES
from tiny_run import tiny_run
import s4former.methods.s4former as method

data, out = Path(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
ends = {}

def attempt(name, folder=None, changes={}, data=data, resume=False):
    try:
        outcome = train(tiny_run(data, CHANGES | changes), out / (folder or name), resume=resume)
        ends[name] = ["finished", outcome.best["miou"]]
    except S4FormerError as error:
        ends[name] = [type(error).__name__, str(error)]

attempt("straight")

true_step = method.S4Former.after_update
def signal_in_one(self, step):
    true_step(self, step)
    if step == 2 and RANK == 1:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # the launcher's echo
method.S4Former.after_update = signal_in_one
attempt("stopped")
attempt("for_one")
method.S4Former.after_update = true_step
attempt("resumed", "stopped", resume=True)
attempt("again", "stopped")

true_loss = method.S4Former.forward
def poisoned(self, batch, targets):
    result = true_loss(self, batch, targets)
    if batch.key.step == 2 and RANK == 1:
        result = type(result)(result.loss.detach() * float("nan") + 0 * result.loss, result.scalars)
    return result
method.S4Former.forward = poisoned
attempt("nan")
method.S4Former.forward = true_loss

attempt("odd", changes={"data.labeled_batch_size": 3})
attempt("bad_mask", data=out / "bad_mask_data")
attempt("bad_val", data=out / "bad_val_data")
attempt("unreadable", data=out / "unreadable_data", changes={"steps": 3, "evaluate_every": 0})
(out / f"ends{RANK}.json").write_text(json.dumps(ends))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), train=6, val=3)


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that two processes left, and how each run ended there: ``ends0.json``, ``ends1.json``."""
    out = tmp_path_factory.mktemp("runs")
    for name, file in (
        ("bad_mask", "masks/train/train1.png"),
        ("bad_val", "masks/val/val2.png"),  # the second process's share
        ("unreadable", "images/train/train4.png"),
    ):
        broken = make_data(out / f"{name}_data", train=6, val=3)
        (broken / file).write_bytes(b"this is no picture")
    run_processes(_SCRIPT, data, out)
    return out


def ends(runs: Path, name: str) -> list[tuple[str, Any]]:
    return [tuple(json.loads((runs / f"ends{rank}.json").read_text())[name]) for rank in range(2)]


def test_a_run_of_two_processes_is_that_of_one(data: Path, runs: Path, tmp_path: Path) -> None:
    train(tiny_run(data, CHANGES), tmp_path / "one")
    one, two = (read_lines(folder / "journal.jsonl") for folder in (tmp_path / "one", runs / "straight"))
    assert len(one) == len(two) == 3
    for ours, theirs in zip(one, two, strict=True):
        assert ours.keys() == theirs.keys()
        for key in ours.keys() - {"seconds", "images_per_second", "data_wait"}:
            assert theirs[key] == pytest.approx(ours[key], rel=1e-4, abs=1e-5), key
    one, two = (read_lines(folder / "scores.jsonl") for folder in (tmp_path / "one", runs / "straight"))
    assert [(line["step"], line["network"], line["images"]) for line in one] == [
        (line["step"], line["network"], line["images"]) for line in two
    ]
    for ours, theirs in zip(one, two, strict=True):
        assert theirs["miou"] == pytest.approx(ours["miou"], abs=2e-3)
        for end in ("low", "high"):
            assert theirs["interval"][end]["miou"] == pytest.approx(ours["interval"][end]["miou"], abs=5e-3)
    record = json.loads((runs / "straight" / "run.json").read_text())
    assert record["hardware"]["processes"] == 2
    assert {path.name for path in (runs / "straight").iterdir()} == {
        path.name for path in (tmp_path / "one").iterdir()
    }


def test_both_get_the_same_scores(runs: Path) -> None:
    first, second = ends(runs, "straight")
    assert first == second
    assert first[0] == "finished"


def test_a_signal_to_one_stops_all_at_the_same_step_and_the_run_resumes_to_the_same_bits(runs: Path) -> None:
    for kind, message in ends(runs, "stopped"):
        assert kind == "Interrupted"
        assert "stopped after step 3 of 6" in message
    assert ends(runs, "resumed") == ends(runs, "straight")
    straight, stopped = (
        load_file(runs / name / "model" / "model.safetensors") for name in ("straight", "stopped")
    )
    assert all(torch.equal(value, stopped[key]) for key, value in straight.items())
    lines = [
        [
            {
                key: value
                for key, value in line.items()
                if not key.endswith(("seconds", "second", "data_wait"))
            }
            for line in log
        ]
        for log in (read_lines(runs / name / "journal.jsonl") for name in ("straight", "stopped"))
    ]
    assert lines[0] == lines[1]


def test_what_two_processes_began_one_can_end(data: Path, runs: Path) -> None:
    outcome = train(tiny_run(data, CHANGES), runs / "for_one", resume=True)
    assert outcome.steps == 6
    straight, alone = (read_lines(runs / name / "journal.jsonl") for name in ("straight", "for_one"))
    assert [line["step"] for line in alone] == [2, 4, 6]
    for ours, theirs in zip(alone, straight, strict=True):
        for key in ours.keys() - {"seconds", "images_per_second", "data_wait"}:
            assert theirs[key] == pytest.approx(ours[key], rel=1e-4, abs=1e-5), key


def test_a_folder_that_is_taken_is_refused_by_all(runs: Path) -> None:
    for kind, message in ends(runs, "again"):
        assert kind == "UserError"
        assert "resume=True" in message


def test_a_loss_that_is_not_finite_in_one_stops_all(runs: Path) -> None:
    for kind, message in ends(runs, "nan"):
        assert kind == "NumericError"
        assert "step 3: loss is nan" in message


def test_batches_that_do_not_divide_are_refused(runs: Path) -> None:
    for kind, message in ends(runs, "odd"):
        assert kind == "UserError"
        assert "data.labeled_batch_size=3" in message
        assert "set it to 4" in message


@pytest.mark.parametrize(("name", "culprit"), [("bad_mask", "train1"), ("bad_val", "val2")])
def test_a_bad_file_in_one_share_is_named_by_all(runs: Path, name: str, culprit: str) -> None:
    for kind, message in ends(runs, name):
        assert kind == "DataError"
        assert culprit in message


def test_unreadable_images_of_all_processes_are_listed(runs: Path) -> None:
    assert ends(runs, "unreadable")[0][0] == "finished"
    (line,) = read_lines(runs / "unreadable" / "unreadable.jsonl")
    assert Path(line["id"]).name == "train4"
    assert "train4.png" in line["message"]
    assert json.loads((runs / "unreadable" / "result.json").read_text())["unreadable_images"] == 1
    assert json.loads((runs / "straight" / "result.json").read_text())["unreadable_images"] == 0


def test_a_process_that_dies_does_not_leave_the_other_waiting(data: Path, tmp_path: Path) -> None:
    script = """
from s4former.engine.loop import train
import s4former.methods.s4former as method
from tiny_run import tiny_run
true_step = method.S4Former.after_update
def die(self, step):
    if step == 1 and RANK == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    true_step(self, step)
method.S4Former.after_update = die
train(tiny_run(Path(sys.argv[1])), Path(sys.argv[2]))
"""
    (code, _, _), (killed, _, _) = finish(start(script, data, tmp_path / "run"))
    assert killed == -signal.SIGKILL
    assert code not in (0, None)


def test_a_process_that_fails_alone_does_not_wait_for_the_others_to_take_leave(
    data: Path, tmp_path: Path
) -> None:
    script = """
import time
import torch.distributed as dist
from s4former.engine import distributed
from s4former.engine.loop import train
import s4former.methods.s4former as method
from tiny_run import tiny_run
true_step = method.S4Former.after_update
def fail(self, step):
    if step == 1 and RANK == 1:
        raise RuntimeError("out of memory")
    true_step(self, step)
def leave():
    time.sleep(600)  # NCCL destroys a communicator when all processes do, and the other one never will
method.S4Former.after_update = fail
dist.destroy_process_group = leave
distributed._leaving_waits = lambda: True
train(tiny_run(Path(sys.argv[1])), Path(sys.argv[2]))
"""
    (waiting, _, _), (failed, _, err) = finish(start(script, data, tmp_path / "run"))
    # Gloo, unlike NCCL, minds that nobody took leave, and may abort the process at its very end.
    assert {waiting, failed} <= {1, -signal.SIGABRT}
    assert "out of memory" in err


def test_processes_that_cannot_meet_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"RANK, MASTER_ADDR, MASTER_PORT is not set.*torchrun"):
        distributed.join()


def test_alone_nothing_is_wrapped_or_replaced(data: Path) -> None:
    run = tiny_run(data, CHANGES)
    student = build_segmenter(run.model, 3, seed=0)
    distributed.synchronize_layers(student, torch.device("cpu"))
    assert any(type(part) is nn.BatchNorm2d for part in student.modules())
    method = run.method.build(student)
    assert distributed.wrap(method) is method
