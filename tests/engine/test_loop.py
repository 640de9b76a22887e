"""Whole tiny runs: what they leave, and that stopping them changes nothing."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import dropout

from s4former.config import DataError, Interrupted, NumericError, UserError
from s4former.engine import Run, read_lines, replay, scorer, train
from s4former.engine.callbacks import Callback
from s4former.engine.device import seed_layers
from s4former.engine.writer import RunFolderWriter
from s4former.inference import EvaluateConfig, device, protocol_record
from s4former.methods import Method, MethodConfig, Targets
from s4former.types import Batch, Segmenter, StepOutput
from tiny_run import NAMES, make_data, tiny_run
from trials import server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def straight(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("runs") / "straight"
    train(tiny_run(data), folder)
    return folder


class SignalAt(Callback):
    """Sends signals to this process when a step is done."""

    def __init__(self, step: int, number: int = signal.SIGINT, times: int = 1) -> None:
        self.step, self.number, self.times = step, number, times

    def on_step(self, step: int) -> None:
        if step == self.step:
            for _ in range(self.times):
                signal.raise_signal(self.number)


class SignalWhileScoring(Callback):
    """Sends SIGTERM in the middle of the first evaluation."""

    def on_image(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def assert_same_end(folder: Path, other: Path) -> None:
    """Check weights to the bit, and the diaries but for times."""
    for name in ("model", "model_best"):
        ours, theirs = (load_file(path / name / "model.safetensors") for path in (folder, other))
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert torch.equal(value, theirs[key]), key
    for name in ("journal.jsonl", "scores.jsonl"):
        assert timeless(read_lines(folder / name)) == timeless(read_lines(other / name))
    results = [json.loads((path / "result.json").read_text()) for path in (folder, other)]
    assert results[0]["best"]["miou"] == results[1]["best"]["miou"]


def timeless(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = ("seconds", "images_per_second", "data_wait")
    return [{key: value for key, value in line.items() if key not in times} for line in lines]


def test_a_run_folder_tells_everything(straight: Path, data: Path) -> None:
    record = json.loads((straight / "run.json").read_text())
    assert Run.model_validate(record["run"]) == tiny_run(data).resolved()
    assert "auto" not in json.dumps(record["run"])
    assert record["data"] | {"fingerprint": ""} == {
        "fingerprint": "",
        "labeled": 2,
        "unlabeled": 3,
        "val": 2,
        "test": 0,
        "classes": {"names": NAMES, "colors": record["data"]["classes"]["colors"], "ignore": [255]},
    }
    journal = read_lines(straight / "journal.jsonl")
    assert [line["step"] for line in journal] == [2, 4, 6]
    assert {"loss", "gradient_norm", "lr/backbone", "lr/head", "images_per_second"} <= journal[0].keys()
    assert all(line["images_per_second"] > 0 for line in journal)
    assert {"loss/supervised", "pseudo/confident"} <= journal[0].keys()
    scores = read_lines(straight / "scores.jsonl")
    assert [(line["step"], line["network"]) for line in scores] == [
        (3, "student"),
        (3, "teacher"),
        (6, "student"),
        (6, "teacher"),
    ]
    assert all(line["protocol"]["mode"] == "whole" and line["iou"].keys() == set(NAMES) for line in scores)
    assert (straight / "splits" / "unlabeled.txt").read_text().split() == [
        f"images/train/train{index}" for index in (2, 3, 4)
    ]
    assert len(list((straight / "panels").glob("*.png"))) == 2


def test_best_and_last_are_both_recorded(straight: Path) -> None:
    result = json.loads((straight / "result.json").read_text())
    scores = [line for line in read_lines(straight / "scores.jsonl") if line["deployed"]]
    assert result["best"]["miou"] == max(line["miou"] for line in scores)
    assert result["best"]["chosen_on"] == "val"
    assert result["last"][result["deployed"]] == scores[-1]
    card = json.loads((straight / "model" / "model.json").read_text())
    assert (card["step"], card["network"], card["score"]) == (6, "teacher", scores[-1])
    best = json.loads((straight / "model_best" / "model.json").read_text())
    assert best["step"] == result["best"]["step"]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("step", [1, 3, 6])
def test_a_stopped_run_resumes_to_the_same_bits(
    data: Path, straight: Path, tmp_path: Path, step: int, workers: int
) -> None:
    run = tiny_run(data, {"data.num_workers": workers})
    with pytest.raises(Interrupted, match=f"after step {step} of 6.*resume=True"):
        train(run, tmp_path / "run", progress=SignalAt(step))
    train(run, tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", straight)


def test_the_best_model_is_the_one_that_the_result_names(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a run is stopped after a better score that was not saved, and resumed with fewer of them."""
    made_up = dict.fromkeys(("macc", "aacc", "interval"), None) | {
        "part": "val",
        "images": 2,
        "iou": {},
        "acc": {},
        "protocol": protocol_record(EvaluateConfig(), "float32"),
    }
    scores = iter([0.4, 0.5, 0.6, 0.45])

    def score(*_: object) -> dict[str, Any]:
        record = made_up | {"miou": next(scores)}
        return dict.fromkeys(("student", "teacher"), SimpleNamespace(record=lambda: record))

    monkeypatch.setattr(scorer, "evaluate", score)
    monkeypatch.setattr(RunFolderWriter, "confusion", lambda *_: None)  # of scores that are made up
    often = tiny_run(data, {"evaluate_every": 1, "save_every": 2})
    with pytest.raises(Interrupted, match="at once"):
        train(often, tmp_path, progress=SignalAt(4, times=2))
    assert json.loads((tmp_path / "model_best" / "model.json").read_text())["step"] == 3
    outcome = train(tiny_run(data, {"evaluate_every": 0, "save_every": 2}), tmp_path, resume=True)
    assert outcome.best is not None
    card = json.loads((tmp_path / "model_best" / "model.json").read_text())
    assert card["step"] == outcome.best["step"] == 6


def test_a_stop_while_scoring_is_made_up_for(data: Path, straight: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="after step 3 of 6"):
        train(tiny_run(data), tmp_path / "run", progress=SignalWhileScoring())
    assert read_lines(tmp_path / "run" / "scores.jsonl") == []
    train(tiny_run(data), tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", straight)


def test_a_second_signal_stops_at_once(data: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="at once"):
        train(tiny_run(data), tmp_path / "run", progress=SignalAt(3, times=2))
    assert not (tmp_path / "run" / "checkpoint" / "step_00000003.pt").exists()
    assert (tmp_path / "run" / "checkpoint" / "step_00000002.pt").exists()


_KILLED = """
from tiny_run import tiny_run
from s4former.engine.loop import train
from s4former.engine.callbacks import Callback

class Kill(Callback):
    def on_step(self, step):
        if step == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

train(tiny_run(Path(sys.argv[1]), {"data.num_workers": int(sys.argv[4])}), Path(sys.argv[2]), progress=Kill())
"""


@pytest.mark.parametrize(("step", "workers"), [(1, 0), (4, 2)])
def test_a_killed_run_resumes_to_the_same_bits(
    data: Path, straight: Path, tmp_path: Path, step: int, workers: int
) -> None:
    (done,) = server().script(_KILLED, data, tmp_path / "run", step, workers)
    assert done.code == -signal.SIGKILL
    train(tiny_run(data, {"data.num_workers": workers}), tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", straight)


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    data: Path, straight: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Interrupted):
        train(tiny_run(data), tmp_path / "run", progress=SignalAt(5))
    newest = tmp_path / "run" / "checkpoint" / "step_00000005.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING):
        train(tiny_run(data), tmp_path / "run", resume=True)
    assert "step_00000005.pt is missing or damaged" in caplog.text
    assert_same_end(tmp_path / "run", straight)


def _as_newest(folder: Path, content: object) -> Path:
    """Put something else into the newest state of a run, with a right checksum."""
    index = folder / "checkpoint/index.json"
    entries = json.loads(index.read_text())
    file = index.with_name(entries[0]["file"])
    torch.save(content, file)
    entries[0] |= {"size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    index.write_text(json.dumps(entries))
    return file


@pytest.fixture(scope="module")
def stopped(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with states after steps 2 and 3."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(Interrupted):
        train(tiny_run(data), folder, progress=SignalAt(3))
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_no_state_gives_way_to_the_one_before(
    data: Path, straight: Path, stopped: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    _as_newest(tmp_path / "run", {})
    with caplog.at_level(logging.WARNING):
        train(tiny_run(data), tmp_path / "run", resume=True)
    assert "step_00000003.pt holds no saved state (state: Field required)" in caplog.text
    assert_same_end(tmp_path / "run", straight)


def test_a_state_of_another_network_is_refused_before_anything_is_written(
    data: Path, stopped: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    state = torch.load(folder / "checkpoint/step_00000003.pt", weights_only=True)
    _as_newest(folder, state | {"method": {"a": torch.ones(2)}})
    before = _files(folder)
    with pytest.raises(UserError, match=r"the saved state is not of this run.*Missing key"):
        train(tiny_run(data), folder, resume=True)
    assert _files(folder) == before


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("journal.jsonl", "{}", "step: Field required"),
        ("journal.jsonl", '{"step": "x"}', "step: Input should be a valid integer"),
        ("journal.jsonl", '{"step": null}', "step: Input"),
        ("journal.jsonl", '{"step": 1, "loss": {"a": []}}', "loss: Input should be a valid number"),
        ("journal.jsonl", '[["step", 1]]', "no object"),
        ("scores.jsonl", '{"step": [1]}', "step: Input"),
        ("scores.jsonl", '{"step": 1, "network": {}, "part": "val", "miou": 0.5}', "network: Input"),
        ("alarms.jsonl", '{"step": 1}', "alarm: Field required"),
        ("unreadable.jsonl", '{"step": 1}', "id: Field required"),
    ],
)
def test_a_diary_with_a_wrong_line_is_refused_before_anything_is_written(
    data: Path, stopped: Path, tmp_path: Path, name: str, line: str, words: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    with (folder / name).open("a") as file:
        file.write(f"{line}\n")
    before = _files(folder)
    with pytest.raises(UserError, match=rf"line \d of .*{name} is damaged.*{words}.*delete that line"):
        train(tiny_run(data), folder, resume=True)
    assert _files(folder) == before


def test_a_record_that_does_not_name_its_data_is_refused(data: Path, stopped: Path, tmp_path: Path) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    record = json.loads((tmp_path / "run/run.json").read_text())
    (tmp_path / "run/run.json").write_text(json.dumps(record | {"data": {}}))
    with pytest.raises(UserError, match=r"run\.json does not say which data"):
        train(tiny_run(data), tmp_path / "run", resume=True)


def test_another_run_in_a_folder_is_not_advised_to_be_gone_on_with(data: Path, stopped: Path) -> None:
    with pytest.raises(UserError, match=r"holds a run already, and not this one: seed was 0, now 5") as told:
        train(tiny_run(data, {"seed": 5}), stopped)
    assert "resume=True" not in str(told.value)


def test_a_finished_run_resumes_to_nothing_more(data: Path, straight: Path, tmp_path: Path) -> None:
    first = train(tiny_run(data), tmp_path / "run")
    again = train(tiny_run(data), tmp_path / "run", resume=True)
    assert again == first
    assert_same_end(tmp_path / "run", straight)


def test_a_square_crop_is_the_same_run_however_it_is_written(
    data: Path, straight: Path, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        train(tiny_run(data, {"data.crop_size": [32, 32]}), tmp_path / "run", progress=SignalAt(3))
    train(tiny_run(data, {"data.crop_size": 32}), tmp_path / "run", resume=True)
    assert_same_end(tmp_path / "run", straight)


def test_two_runs_do_not_mix_in_a_folder(data: Path, tmp_path: Path) -> None:
    run = tiny_run(data)
    with pytest.raises(Interrupted):
        train(run, tmp_path / "run", progress=SignalAt(2))
    with pytest.raises(UserError, match=r"resume=True.*another out="):
        train(run, tmp_path / "run")
    with pytest.raises(UserError, match=r"optimizer\.lr was 0.001, now 0.002"):
        train(tiny_run(data, {"optimizer.lr": 2e-3}), tmp_path / "run", resume=True)
    with pytest.raises(UserError, match=r"method\.name was s4former, now supervised"):
        train(tiny_run(data, {"method.name": "supervised"}), tmp_path / "run", resume=True)


def test_a_run_of_an_earlier_version_resumes_with_the_defaults_of_new_fields(
    data: Path, straight: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(tiny_run(data), folder, progress=SignalAt(3))
    record = json.loads((folder / "run.json").read_text())
    del record["run"]["data"]["channels"], record["run"]["load_from"]  # as if there had been none
    (folder / "run.json").write_text(json.dumps(record))
    train(tiny_run(data), folder, resume=True)
    assert_same_end(folder, straight)
    record["run"]["gone"] = 1  # a field that there is no more
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="gone was 1, now None"):
        train(tiny_run(data), folder, resume=True)


def test_a_run_too_short_for_unlabeled_images_is_refused(data: Path) -> None:
    with pytest.raises(UserError, match=r"takes at least 31; .* smaller method\.unlabeled_start_step"):
        tiny_run(data, {"method.unlabeled_start_step": 30, "steps": 30})


def test_a_damaged_record_says_what_to_type(data: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"run": {')
    with pytest.raises(UserError, match=r"run\.json is damaged.*another out="):
        train(tiny_run(data), tmp_path, resume=True)


def test_a_folder_of_other_things_is_left_alone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(UserError, match="no run folder"):
            train(tiny_run(data), tmp_path, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_changed_data_is_noticed(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    with pytest.raises(Interrupted):
        train(tiny_run(data), tmp_path / "run", progress=SignalAt(1))
    (data / "labeled.txt").write_text("train0\ntrain1\ntrain2\n")
    with pytest.raises(UserError, match="the data set has changed"):
        train(tiny_run(data), tmp_path / "run", resume=True)


def test_a_run_that_failed_at_once_does_not_block_its_folder(data: Path, tmp_path: Path) -> None:
    wrong = {"method.shuffle_block": 8, "method.unlabeled_start_step": 3}
    with pytest.raises((UserError, ValueError), match="PatchShuffle"):
        train(tiny_run(data, wrong), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint").exists(), "the first step tells, not the first shuffled one"
    train(tiny_run(data, {"steps": 1}), tmp_path / "run")


class PoisonedConfig(MethodConfig):
    """A method of the user's own, with dropout, whose third loss is not a number."""

    name: Literal["poisoned"] = "poisoned"

    def build(self, student: Segmenter) -> Method:
        return Poisoned(self, student)


class Poisoned(Method):
    built: ClassVar[list[Method]] = []

    def __init__(self, config: PoisonedConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.weights: list[dict[str, torch.Tensor]] = []
        self.built.append(self)

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        self.weights.append({name: value.clone() for name, value in self.student.state_dict().items()})
        loss = dropout(self.student(batch.labeled.images)).square().mean()
        if batch.key.step == 2:
            loss = loss * float("nan")
        return StepOutput(loss, {"loss/own": loss.detach()})


def poisoned(data: Path) -> Run:
    return tiny_run(data).model_copy(update={"method": PoisonedConfig()})


def test_nan_is_refused_before_the_weights_move(data: Path, tmp_path: Path) -> None:
    with pytest.raises(NumericError) as error:
        train(poisoned(data), tmp_path / "run")
    message = str(error.value)
    for part in ("step 3", "loss is nan", "loss/own is nan", "after step 2 is kept", "optimizer.lr=0.0005"):
        assert part in message
    method = Poisoned.built[-1]
    for name, value in method.student.state_dict().items():
        assert torch.equal(value, method.weights[2][name]), name
    assert not torch.equal(
        *(torch.cat([value.flatten() for value in method.weights[step].values()]) for step in (1, 2))
    ), "healthy steps move the weights"
    assert (tmp_path / "run" / "checkpoint" / "step_00000002.pt").is_file()
    assert not (tmp_path / "run" / "result.json").exists()
    record = json.loads((tmp_path / "run" / "non_finite.json").read_text())
    assert (record["step"], record["values"]["loss"], len(record["files"])) == (3, "nan", 2)
    assert all(Path(file).is_file() and file in message for file in record["files"])


@pytest.mark.parametrize(("method", "files"), [("supervised", 2), ("s4former", 4)])
def test_a_replay_comes_to_the_same_step_names_the_layer_and_writes_nothing(
    data: Path, tmp_path: Path, method: str, files: int
) -> None:
    """Weights that are too large overflow inside of the network; whose inputs are files with names."""
    changes = {"method.name": method, "optimizer.lr": 1e25, "optimizer.max_grad_norm": 0.0, "save_every": 1}
    run, folder = tiny_run(data, changes), tmp_path / "run"
    with pytest.raises(NumericError, match=r"step 2: .*after step 1 is kept.*non_finite\.json lists"):
        train(run, folder)
    record = json.loads((folder / "non_finite.json").read_text())
    assert record["step"] == 2
    assert len(record["files"]) == files
    assert all(Path(file).is_file() for file in record["files"])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(NumericError, match=r"step 2 once more: .*\(as recorded\)") as error:
        replay(run, folder)
    assert re.search(r"First layer whose output is not finite: (student|teacher)\.", str(error.value))
    assert record["files"][-1] in str(error.value)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "non_finite.json").unlink()
    with pytest.raises(UserError, match=r"no non_finite\.json"):
        replay(run, folder)


def test_a_method_outside_the_package_resumes_too(data: Path, tmp_path: Path) -> None:
    run = poisoned(data).model_copy(update={"steps": 2})
    with pytest.raises(Interrupted):
        train(run, tmp_path / "stopped", progress=SignalAt(1))
    train(run, tmp_path / "stopped", resume=True)
    train(run, tmp_path / "straight")
    assert_same_end(tmp_path / "stopped", tmp_path / "straight")


def test_replaced_images_are_counted_and_named_across_a_resume(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", train=7)
    heard: list[str] = []

    class Ear(SignalAt):
        def on_message(self, text: str) -> None:
            heard.append(text)

    for bad in ("train3", "train4"):
        (data / "images" / "train" / f"{bad}.png").write_bytes(b"no picture")
    with pytest.raises(Interrupted):
        train(tiny_run(data), tmp_path / "run", progress=Ear(6))
    train(tiny_run(data), tmp_path / "run", resume=True, progress=Ear(0))  # only to finish: it draws nothing
    lines = read_lines(tmp_path / "run" / "unreadable.jsonl")
    assert [line["id"] for line in lines] == ["images/train/train3", "images/train/train4"]
    assert "train3.png" in lines[0]["message"]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["unreadable_images"] == 2
    assert "2 unlabeled images could not be read" in heard[-1]


def test_without_validation_images_a_run_still_ends_with_a_model(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    outcome = train(tiny_run(data, {"data.val_images": None, "steps": 2}), tmp_path / "run")
    assert (outcome.last, outcome.best) == ({}, None)
    assert outcome.load().card.score is None
    assert not (tmp_path / "run" / "scores.jsonl").exists()


def test_bfloat16_trains_on_a_cpu(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: True)
    outcome = train(tiny_run(data, {"precision": "bfloat16", "steps": 2}), tmp_path / "run")
    (line,) = read_lines(tmp_path / "run" / "journal.jsonl")
    assert 0 < line["loss"] < 10
    assert outcome.last["teacher"]["protocol"]["precision"] == "bfloat16"


def test_the_global_generator_is_left_alone(data: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    train(tiny_run(data, {"steps": 1}), tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), before)


def test_layers_that_draw_are_keyed_to_the_step() -> None:
    def draw(seed: int, step: int) -> list[float]:
        with torch.random.fork_rng(devices=[]):
            seed_layers(seed, step)
            return torch.rand(3).tolist()

    assert draw(0, 1) == draw(0, 1)
    assert draw(0, 1) != draw(0, 2)
    assert draw(0, 1) != draw(1, 1)


def test_progress_hears_of_everything(data: Path, tmp_path: Path) -> None:
    heard: list[str] = []

    class Ear(Callback):
        def on_message(self, text: str) -> None:
            heard.append(text)

        def on_step(self, step: int) -> None:
            heard.append(f"step {step}")

        def on_log(self, line: Mapping[str, Any]) -> None:
            heard.append(f"line {line['step']}")

        def on_evaluate(self, images: int) -> None:
            heard.append(f"{images} images")

    train(tiny_run(data, {"steps": 2}), tmp_path / "run", progress=Ear())
    assert heard[0].startswith("training s4former for 2 steps on 2 labeled and 3 unlabeled images (cpu")
    assert heard[1:] == ["step 1", "step 2", "line 2", "2 images"]


def test_masks_of_the_scored_part_are_looked_at_before_the_first_step(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    for kind in ("images", "masks"):
        shutil.copytree(data / kind / "val", data / kind / "test")
    Image.fromarray(np.full((40, 48), 9, np.uint8)).save(data / "masks/test/val0.png")
    train(tiny_run(data), tmp_path / "val")  # the test images are nobody's concern here
    with pytest.raises(DataError, match=r"masks/test/val0\.png \(9: "):
        train(tiny_run(data, {"evaluate.part": "test"}), tmp_path / "test")
    assert not (tmp_path / "test").exists()
