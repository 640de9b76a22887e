"""Callbacks: one from outside of the package, as the documentation shows it, and TensorBoard."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from s4former.config import Interrupted, UserError
from s4former.config.override import override
from s4former.engine import read_lines, train
from s4former.engine.callbacks import CALLBACKS, Callback, Callbacks
from tiny_run import make_data, tiny_run

_PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int) -> None:
        if step == self.step:
            raise Interrupted("enough")


def test_the_documented_callback_runs_from_a_file_outside_of_the_package(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"file: my_project/beep.py -->\n```python\n(.*?)```", _PAGE.read_text(), re.DOTALL)
    for name in [name for name in sys.modules if name.split(".")[0] == "my_project"]:
        del sys.modules[name]  # of another test's folder
    (tmp_path / "my_project").mkdir()
    (tmp_path / "my_project" / "beep.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    asked, _ = override(tiny_run(data), ["callbacks=[{name: my_project.beep, loudness: 2}]"])
    train(asked, tmp_path / "run")
    lines = (tmp_path / "run" / "beep.txt").read_text().splitlines()
    losses = [line["loss"] for line in read_lines(tmp_path / "run" / "journal.jsonl")]
    assert lines == [
        f"step {step}: beep beep {loss:.3f}" for step, loss in zip((2, 4, 6), losses, strict=True)
    ]


def test_a_callback_that_is_not_there_is_refused_with_the_names_that_are(data: Path) -> None:
    assert CALLBACKS.names() == ["tensorboard"]
    with pytest.raises(UserError, match=r"callbacks.*wandb.*tensorboard"):
        override(tiny_run(data), ["callbacks=[wandb]"])


EVENTS: dict[str, tuple[object, ...]] = {
    "on_start": (1, 2),
    "on_step": (1,),
    "on_log": ({},),
    "on_evaluate": (3,),
    "on_image": (),
    "on_score": ([],),
    "on_save": (1,),
    "on_message": ("said",),
    "close": (),
}


@pytest.mark.parametrize("event", EVENTS)
def test_all_callbacks_hear_of_all_events(event: str) -> None:
    assert {name for name in vars(Callback) if not name.startswith("_")} == EVENTS.keys()
    heard: list[tuple[object, ...]] = []
    ears = [type("Ear", (Callback,), {event: lambda self, *what: heard.append(what)})() for _ in range(2)]
    getattr(Callbacks(*ears), event)(*EVENTS[event])
    assert heard == [EVENTS[event]] * 2


def test_tensorboard_gets_the_numbers_of_the_journal_across_a_resume(data: Path, tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run, _ = override(tiny_run(data), ["callbacks=[tensorboard]"])
    with pytest.raises(Interrupted):
        train(run, tmp_path / "run", progress=StopAt(5))
    train(run, tmp_path / "run", resume=True)
    events = reading.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    journal = read_lines(tmp_path / "run" / "journal.jsonl")
    for name in ("loss", "gradient_norm", "lr/head"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(line["step"], pytest.approx(line[name])) for line in journal]
    teacher = [(event.step, event.value) for event in events.Scalars("val/miou/teacher")]
    scores = [line for line in read_lines(tmp_path / "run" / "scores.jsonl") if line["network"] == "teacher"]
    assert teacher == [(line["step"], pytest.approx(line["miou"])) for line in scores]


def test_without_tensorboard_the_error_says_what_to_type_before_a_folder_exists(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    run, _ = override(tiny_run(data), ["callbacks=[tensorboard]"])
    with pytest.raises(UserError, match=r"pip install s4former\[tensorboard\]"):
        train(run, tmp_path / "run")
    assert not (tmp_path / "run").exists()
