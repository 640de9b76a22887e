"""The demo: its two runs, and what it shows."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from s4former.augment import LabeledViews, Views
from s4former.config import Interrupted, UserError, read_json
from s4former.curation import open_source
from s4former.data import TrainBatches
from s4former.engine import Run
from s4former.engine.callbacks import Callback
from s4former.inference import Model
from s4former.methods import config_class
from s4former.recipes._demo import run_demo
from s4former.recipes.demo import recipe

pytestmark = pytest.mark.slow


def small(folder: Path) -> Run:
    """The demo's run, cut down to seconds."""
    val = folder / "val.txt"
    val.write_text("".join(f"scene-{10_000 + i}\n" for i in range(7)))
    run = recipe()
    data = run.data.model_copy(
        update={"val_split": str(val), "labeled_batch_size": 2, "unlabeled_batch_size": 2}
    )
    return run.model_copy(update={"steps": 4, "evaluate_every": 2, "log_every": 1, "data": data})


def test_the_unlabeled_scenes_do_not_change_the_labeled_batches() -> None:
    run = recipe()
    source = open_source(run.data)
    alone = TrainBatches(run.data, source, LabeledViews(), run.seed).batch(3)
    beside = TrainBatches(run.data, source, Views(), run.seed).batch(3)
    torch.testing.assert_close(alone.labeled.images, beside.labeled.images, rtol=0, atol=0)
    torch.testing.assert_close(alone.labeled.labels, beside.labeled.labels, rtol=0, atol=0)
    assert alone.unlabeled is None
    assert beside.unlabeled is not None


def test_all_parts_of_s4former_are_on() -> None:
    method = recipe().method
    assert isinstance(method, config_class("s4former"))
    fields = method.model_dump()
    assert fields["patch_shuffle"]
    assert fields["shuffle_probability"] > 0
    assert fields["pasa"]
    assert fields["pasa_weight"] > 0
    assert fields["ncr"]
    assert fields["ncr_weight"] > 0
    assert fields["cutmix_probability"] > 0


def test_the_demo_trains_both_and_shows_them(tmp_path: Path) -> None:
    text = io.StringIO()
    out = tmp_path / "demo"
    result = run_demo(out, small(tmp_path), Console(file=text, width=120))

    assert [(score.run, score.network, score.deployed) for score in result.scores] == [
        ("supervised", "student", True),
        ("s4former", "student", False),
        ("s4former", "teacher", True),
    ]
    for score in result.scores:
        assert 0 <= score.last <= score.best <= 1
        assert score.best_step in (2, 4)
    assert result.gain == pytest.approx(result.scores[2].last - result.scores[0].last)
    assert result.panel.is_file()
    assert result.curves.is_file()

    runs = {name: read_json(out / name / "run.json")["run"] for name in ("supervised", "s4former")}
    assert {name: run.pop("method")["name"] for name, run in runs.items()} == {name: name for name in runs}
    assert runs["supervised"] == runs["s4former"]

    said = text.getvalue()
    assert str(out / "s4former") in said.replace("\n", "")
    assert f"{100 * result.scores[2].last:.2f}" in said

    source = open_source(small(tmp_path).data)
    image = source.read_image(source.val[0], "val")
    assert Model.load(out / "s4former").predict(image).mask.shape == image.shape[:2]

    weights = (out / "s4former" / "model" / "model.safetensors").stat()
    again = run_demo(out, small(tmp_path), Console(file=text))
    assert again == result
    assert "finished demo" in text.getvalue()
    assert (out / "s4former" / "model" / "model.safetensors").stat() == weights, "it is shown, not trained"


class Stop(Callback):
    """Sends Ctrl-C after a step of the ``half``-th run that is trained."""

    def __init__(self, step: int, half: int) -> None:
        self.step, self.half = step, half

    def on_start(self, step: int, steps: int) -> None:
        self.half -= 1

    def on_step(self, step: int) -> None:
        if self.half == 0 and step == self.step:
            signal.raise_signal(signal.SIGINT)


def test_a_stopped_demo_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    run, quiet = small(tmp_path), Console(file=io.StringIO())
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    result = run_demo(straight, run, quiet, Callback())
    for half in (1, 2):
        with pytest.raises(Interrupted, match="after step 3"):
            run_demo(stopped, run, quiet, Stop(3, half))
        assert (stopped / "s4former").exists() == (half == 2)
    resumed = run_demo(stopped, run, quiet, Callback())
    ours, theirs = (
        [(each.last, each.best, each.best_step) for each in made.scores] for made in (resumed, result)
    )
    assert ours == theirs
    for name in ("supervised", "s4former"):
        ours, theirs = (load_file(out / name / "model" / "model.safetensors") for out in (stopped, straight))
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_what_is_no_demo_is_left_alone(tmp_path: Path) -> None:
    run, quiet = small(tmp_path), Console(file=io.StringIO())
    out = tmp_path / "demo"
    with pytest.raises(Interrupted):
        run_demo(out, run, quiet, Stop(1, 1))
    with pytest.raises(UserError, match=r"steps was 4, now 5.*out="):
        run_demo(out, run.model_copy(update={"steps": 5}), quiet)
    other = tmp_path / "pictures"
    other.mkdir()
    (other / "panel.png").write_bytes(b"mine")
    with pytest.raises(UserError, match="something else"):
        run_demo(other, run, quiet)
    assert [path.read_bytes() for path in other.iterdir()] == [b"mine"]


def test_the_second_half_takes_the_threads_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise they would differ by more than the method, and a stopped demo from one that was not."""
    run, out = small(tmp_path), tmp_path / "demo"
    monkeypatch.setattr("s4former.engine.device.resolve_threads", lambda: 1)
    with pytest.raises(Interrupted):
        run_demo(out, run, Console(file=io.StringIO()), Stop(4, 1))
    monkeypatch.setattr("s4former.engine.device.resolve_threads", lambda: 2)
    run_demo(out, run, Console(file=io.StringIO()), Callback())
    threads = [read_json(out / name / "run.json")["run"]["threads"] for name in ("supervised", "s4former")]
    assert threads == [1, 1]
