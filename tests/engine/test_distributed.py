"""Whole runs of two processes: they end as one process does, and stop, fail and go on together.

Those with ``parallel=fsdp`` share their weights: each process has about half of them.
"""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from timm.layers import DropPath
from torch import nn

from s4former import collectives
from s4former.config import Interrupted, UserError
from s4former.engine import Checkpoints, distributed, read_lines, train
from s4former.engine.callbacks import Callback
from s4former.engine.student import student_of
from s4former.inference import Model
from s4former.models import build_segmenter
from tiny_run import make_data, tiny_run
from trials import UNCAUGHT, server

pytestmark = pytest.mark.slow

CHANGES: dict[str, Any] = {"model.head": "setr_pup", "model.head.channels": 8, "model.head.num_convs": 2}
TUNED: dict[str, Any] = {
    "steps": 3,
    "evaluate_every": 0,
    "method.name": "unimatch_v2",
    "optimizer.name": "sgd",
    "model.lora.rank": 3,
    "model.frozen_blocks": 1,
    "model.recompute_activations": "all",
    "accumulate": 2,
    "data.labeled_batch_size": 4,
    "data.unlabeled_batch_size": 4,
}
TIMES = {"seconds", "images_per_second", "data_wait"}

_SCRIPT = """
import json
import shutil
import torch
from s4former import collectives
from s4former.config.errors import S4FormerError
from s4former.engine import checkpoint, loop, prepare
from s4former.engine.loop import train
from test_distributed import CHANGES, TUNED, Stop
from tiny_run import tiny_run
import s4former.methods.s4former as method

data, out = Path(sys.argv[1]), Path(sys.argv[2])
torch.set_num_threads(1)
ends = {}
FSDP = {"parallel": "fsdp"}

def attempt(name, folder=None, changes={}, data=data, resume=False, base=CHANGES, shown=None):
    try:
        outcome = train(tiny_run(data, base | changes), out / (folder or name), resume, shown)
        ends[name] = ["finished", outcome.best["miou"]]
    except S4FormerError as error:
        ends[name] = [type(error).__name__, str(error)]

attempt("straight")

true_finish = loop.finish
def weighed(training, *others):
    memory = [value for each in training.optimizer.state.values() for value in each.values() if value.ndim]
    for name, tensors in (("weights", list(training.method.parameters())), ("memory", memory)):
        own = sum(collectives.own_rows(each).numel() for each in tensors)
        ends[name] = own / sum(map(torch.numel, tensors))
    return true_finish(training, *others)
loop.finish = weighed
attempt("sharded", changes=FSDP)
loop.finish = true_finish
attempt("tuned", changes=FSDP, base=TUNED)
attempt("of_one", changes=FSDP, resume=True)
attempt("sharded_stopped", changes=FSDP, shown=Stop(images=1))
if RANK == 0:
    for name in ("sharded_for_one", "sharded_for_ddp"):
        shutil.copytree(out / "sharded_stopped", out / name)
attempt("sharded_resumed", "sharded_stopped", FSDP, resume=True)
attempt("sharded_for_ddp", resume=True)

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

true_loss, seen = method.S4Former.forward, {}
def poisoned(self, batch, targets):
    result = true_loss(self, batch, targets)
    if batch.key.step == 2:
        seen["network"] = self.student
        seen["before"] = [each.detach().clone() for each in self.student.parameters()]
    if batch.key.step == 2 and RANK == 1:
        result = type(result)(result.loss.detach() * float("nan") + 0 * result.loss, result.scalars)
    return result
method.S4Former.forward = poisoned
attempt("nan")
ends["unmoved"] = all(map(torch.equal, seen["network"].parameters(), seen["before"]))
method.S4Former.forward = true_loss

attempt("odd", changes={"data.labeled_batch_size": 3})
attempt("bad_mask", data=out / "bad_mask_data")
attempt("bad_val", data=out / "bad_val_data")
attempt("unreadable", data=out / "unreadable_data", changes={"steps": 3, "evaluate_every": 0})

true_build = prepare.build_method
def with_own(*given):
    built = true_build(*given)
    built.scale = torch.nn.Parameter(torch.ones(3))
    return built
prepare.build_method = with_own
attempt("with_own", changes=FSDP)
prepare.build_method = true_build

true_write, fail = checkpoint._write, None
def failing(state, path):
    true_write(state, path)
    if RANK == 1 and state["state"]["step"] == 2:
        fail(path)
def full(path):
    raise OSError("no space left")
def kill(path):
    path.write_bytes(path.read_bytes()[:1000])
    os.kill(os.getpid(), signal.SIGKILL)
checkpoint._write = failing
fail = full
attempt("full", changes=FSDP | {"save_every": 1})
(out / f"ends{RANK}.json").write_text(json.dumps(ends))
fail = kill
attempt("killed", changes=FSDP | {"save_every": 1})
"""


class Stop(Callback):
    """Sends the signal of a scheduler, once so many images were scored; by default after the third step."""

    def __init__(self, images: int = 0) -> None:
        self._images = images

    def on_step(self, step: int) -> None:
        """Take a step."""
        if step == 3 and not self._images:
            signal.raise_signal(signal.SIGTERM)

    def on_image(self) -> None:
        """Score an image."""
        self._images -= 1
        if not self._images:
            signal.raise_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of which the second to score has another size, so that process 0 scores one after the other."""
    folder = make_data(tmp_path_factory.mktemp("data"), train=6, val=3)
    for path in (folder / "images/val/val1.png", folder / "masks/val/val1.png"):
        Image.open(path).resize((56, 40), Image.Resampling.NEAREST).save(path)
    return folder


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
    with pytest.raises(Interrupted):
        train(tiny_run(data, CHANGES), out / "of_one", progress=Stop())
    first, second = server().script(_SCRIPT, data, out, processes=2)
    assert second.code == -signal.SIGKILL, first.err  # as the last of its runs wants it
    return out


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run of one process."""
    folder = tmp_path_factory.mktemp("alone") / "one"
    train(tiny_run(data, CHANGES), folder)
    return folder


def assert_same_journal(one: Path, other: Path, within: float = 1e-5) -> None:
    lines = [read_lines(folder / "journal.jsonl") for folder in (one, other)]
    for ours, theirs in zip(*lines, strict=True):
        assert ours.keys() == theirs.keys()
        for key in ours.keys() - TIMES:
            assert theirs[key] == pytest.approx(ours[key], rel=within, abs=within), key


def ends(runs: Path, name: str) -> list[tuple[str, Any]]:
    return [tuple(json.loads((runs / f"ends{rank}.json").read_text())[name]) for rank in range(2)]


@pytest.mark.parametrize("name", ["straight", "sharded"])
def test_a_run_of_two_processes_is_that_of_one(runs: Path, alone: Path, name: str) -> None:
    assert ends(runs, name)[0][0] == "finished"
    assert len(read_lines(alone / "journal.jsonl")) == 3
    assert_same_journal(alone, runs / name)
    one, two = (read_lines(folder / "scores.jsonl") for folder in (alone, runs / name))
    assert [(line["step"], line["network"], line["images"]) for line in one] == [
        (line["step"], line["network"], line["images"]) for line in two
    ]
    for ours, theirs in zip(one, two, strict=True):
        assert theirs["miou"] == pytest.approx(ours["miou"], abs=2e-3)
        for end in ("low", "high"):
            assert theirs["interval"][end]["miou"] == pytest.approx(ours["interval"][end]["miou"], abs=5e-3)
    record = json.loads((runs / name / "run.json").read_text())
    assert record["hardware"]["processes"] == 2
    assert {path.name for path in (runs / name).iterdir()} == {path.name for path in alone.iterdir()}


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
    assert_same_journal(runs / "straight", runs / "stopped", within=0)


@pytest.mark.parametrize("name", ["for_one", "sharded_for_one"])
def test_what_two_processes_began_one_can_end(data: Path, runs: Path, name: str) -> None:
    outcome = train(tiny_run(data, CHANGES), runs / name, resume=True)
    assert outcome.steps == 6
    assert_same_journal(runs / "straight", runs / name)


@pytest.mark.parametrize("name", ["of_one", "sharded_for_ddp"])
def test_whole_and_sharded_states_are_gone_on_with_in_either_way(runs: Path, name: str) -> None:
    assert ends(runs, name)[0][0] == "finished"
    assert_same_journal(runs / "straight", runs / name)


def test_a_sharded_run_that_is_stopped_while_one_process_scores_resumes_to_the_same_bits(runs: Path) -> None:
    assert all("stopped after step 3 of 6" in end[1] for end in ends(runs, "sharded_stopped"))
    assert ends(runs, "sharded_resumed") == ends(runs, "sharded")
    assert_same_journal(runs / "sharded", runs / "sharded_stopped", within=0)
    scores = [read_lines(runs / name / "scores.jsonl") for name in ("sharded", "sharded_stopped")]
    assert [line["miou"] for line in scores[0]] == [line["miou"] for line in scores[1]]
    ours, theirs = (Checkpoints(runs / name).load("cpu") for name in ("sharded", "sharded_stopped"))
    assert ours is not None
    assert theirs is not None
    assert all(torch.equal(value, theirs["method"][key]) for key, value in ours["method"].items())
    for number, memory in ours["optimizer"]["state"].items():
        assert all(torch.equal(memory[key], theirs["optimizer"]["state"][number][key]) for key in memory)


def test_each_process_holds_about_half_of_weights_and_of_the_optimizers_memory(runs: Path) -> None:
    for name in ("weights", "memory"):
        shares = [json.loads((runs / f"ends{rank}.json").read_text())[name] for rank in range(2)]
        assert sum(shares) == pytest.approx(1)
        assert max(shares) < 0.55


def test_low_rank_changes_frozen_blocks_recomputation_and_parts_of_a_batch_are_sharded_too(
    data: Path, runs: Path, tmp_path: Path
) -> None:
    train(tiny_run(data, TUNED), tmp_path / "one")
    assert_same_journal(tmp_path / "one", runs / "tuned")
    one, two = (
        load_file(folder / "model" / "model.safetensors") for folder in (tmp_path / "one", runs / "tuned")
    )
    assert one.keys() == two.keys()
    assert all(torch.allclose(two[key], value, atol=1e-6) for key, value in one.items())


def test_a_sharded_state_is_read_whole_and_tells_of_damage(
    runs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(runs / "sharded", tmp_path / "run")
    checkpoints = Checkpoints(folder)
    files = sorted(path.name for path in checkpoints.folder.glob("*.pt"))
    assert files == [f"step_{step:08d}-0000{part}-of-00002.pt" for step in (4, 6) for part in (1, 2)]
    state, plain = checkpoints.load("cpu"), Checkpoints(runs / "straight").load("cpu")
    assert state is not None
    assert plain is not None
    assert state["method"].keys() == plain["method"].keys()
    assert all(
        torch.allclose(state["method"][key], value, atol=1e-5) for key, value in plain["method"].items()
    )
    assert student_of(folder, Model.load(folder)) is not None
    (checkpoints.folder / "index.json").write_text("[")
    found = checkpoints.load("cpu")
    assert found is not None
    assert found["state"]["step"] == 6
    (checkpoints.folder / files[-1]).unlink()
    found = checkpoints.load("cpu")
    assert found is not None
    assert found["state"]["step"] == 4
    shutil.copy(runs / "sharded/checkpoint/index.json", checkpoints.folder)
    caplog.clear()
    found = checkpoints.load("cpu")
    assert found is not None
    assert found["state"]["step"] == 4
    assert f"{files[-1]} is missing or damaged" in caplog.text


def test_a_disk_that_is_full_for_one_or_a_process_killed_while_saving_leaves_the_state_before(
    data: Path, runs: Path
) -> None:
    for kind, message in ends(runs, "full"):
        assert kind == "UserError"
        assert "cannot save the state after step 2" in message
        assert "The one after step 1 is kept" in message
    for name in ("full", "killed"):
        assert Checkpoints(runs / name).newest_step() == 1
    assert (runs / "killed/checkpoint/step_00000002-00001-of-00002.pt").exists()
    train(tiny_run(data, CHANGES), runs / "killed", resume=True)
    assert_same_journal(runs / "straight", runs / "killed")
    left = sorted(path.name for path in (runs / "killed/checkpoint").glob("*.pt"))
    assert left == ["step_00000004.pt", "step_00000006.pt"]


def test_parameters_that_no_unit_holds_are_refused(runs: Path) -> None:
    for kind, message in ends(runs, "with_own"):
        assert kind == "UserError"
        assert "parameters of method s4former lie in none: scale. Type parallel=ddp" in message


def test_a_folder_that_is_taken_is_refused_by_all(runs: Path) -> None:
    for kind, message in ends(runs, "again"):
        assert kind == "UserError"
        assert "resume=True" in message


def test_a_loss_that_is_not_finite_in_one_stops_all(runs: Path) -> None:
    for kind, message in ends(runs, "nan"):
        assert kind == "NumericError"
        assert "step 3: loss is nan" in message
    assert [json.loads((runs / f"ends{rank}.json").read_text())["unmoved"] for rank in range(2)] == [True] * 2
    record = json.loads((runs / "nan/non_finite.json").read_text())
    assert (record["step"], record["processes"]) == (3, 2)
    # the images of both processes: two labeled, which is all there are, and two of the others
    assert len(record["files"]) == 4
    assert {"train0", "train1"} <= {Path(file).stem for file in record["files"]}
    assert record["files"][0] in message


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
    left, killed = server().script(script, data, tmp_path / "run", processes=2)
    assert killed.code == -signal.SIGKILL
    assert left.code == UNCAUGHT


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
    waiting, failed = server().script(script, data, tmp_path / "run", processes=2)
    assert {waiting.code, failed.code} == {UNCAUGHT}
    assert "out of memory" in failed.err


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


@pytest.mark.parametrize("layer", [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, DropPath])
def test_a_batch_in_parts_drops_what_it_drops_in_one_piece(layer: type[nn.Module]) -> None:
    batch = torch.ones(4, 8, *([6] * {nn.Dropout1d: 1, nn.Dropout3d: 3}.get(layer, 2)))
    plain = nn.Sequential(layer(0.5)).train()
    torch.manual_seed(0)
    found = [plain(batch)]
    distributed.synchronize_layers(plain, torch.device("cpu"), accumulate=2)
    parts = []
    for number in range(2):
        torch.manual_seed(0)
        with collectives.learning_part(number, 2):
            parts.append(plain(batch[2 * number : 2 * number + 2]))
    assert found[0].equal(torch.cat(parts))
    assert not found[0].equal(batch)


def test_a_layer_that_cannot_know_the_whole_batch_is_named() -> None:
    network = nn.Sequential(nn.AlphaDropout(0.5))
    with pytest.raises(UserError, match="AlphaDropout, which sees a part of the batch alone"):
        distributed.synchronize_layers(network, torch.device("cpu"), accumulate=2)
