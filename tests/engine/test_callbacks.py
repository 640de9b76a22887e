"""Callbacks: one from outside of the package, as the documentation shows it, and the trackers."""

from __future__ import annotations

import json
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from s4former.config import Interrupted, UserError
from s4former.config.override import override
from s4former.engine import read_lines, train
from s4former.engine.callbacks import CALLBACKS, Callback, Callbacks
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

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
    assert CALLBACKS.names() == ["mlflow", "tensorboard", "wandb"]
    with pytest.raises(UserError, match=r"callbacks.*neptune.*mlflow, tensorboard, wandb"):
        override(tiny_run(data), ["callbacks=[neptune]"])


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


@pytest.fixture(scope="module")
def watched(data: Path) -> Path:
    """A run that was stopped and gone on with, before three trackers."""
    for tracker in ("tensorboard", "mlflow", "wandb"):
        pytest.importorskip(tracker)
    run, _ = override(tiny_run(data), ["callbacks=[tensorboard, mlflow, {name: wandb, mode: offline}]"])
    folder = data.parent / "watched"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with pytest.raises(Interrupted):
            train(run, folder, progress=StopAt(5))
        train(run, folder, resume=True)
    return folder


def journal(folder: Path, name: str) -> list[tuple[int, float]]:
    """Return what the run folder itself says, as (step, value)."""
    if name.startswith("val/miou/"):
        lines = [line for line in read_lines(folder / "scores.jsonl") if name.endswith(line["network"])]
        return [(line["step"], pytest.approx(line["miou"])) for line in lines]
    return [(line["step"], pytest.approx(line[name])) for line in read_lines(folder / "journal.jsonl")]


NUMBERS = ("loss", "loss/supervised", "gradient_norm", "lr/head", "val/miou/teacher")


def test_tensorboard_gets_the_numbers_of_the_journal_across_a_resume(watched: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(watched / "tensorboard")).Reload()
    for name in NUMBERS:
        assert [(event.step, event.value) for event in events.Scalars(name)] == journal(watched, name)
    assert [image.step for image in events.Images("panel")] == [3, 6]


def test_mlflow_gets_them_in_one_run(watched: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient((watched / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("s4former")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "watched")
    assert (run.data.params["method.name"], run.data.params["data.crop_size"]) == ("s4former", "32")
    for name in NUMBERS:
        found = client.get_metric_history(run.info.run_id, name.replace("/", "."))
        assert [(metric.step, metric.value) for metric in found] == journal(watched, name)
    panels = client.list_artifacts(run.info.run_id, "panels")
    assert [file.path for file in panels] == ["panels/step_00000003.png", "panels/step_00000006.png"]


def test_mlflow_writes_nothing_before_a_run_begins_and_says_where_it_cannot_write(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "run"
    run, _ = override(tiny_run(data), ["callbacks=[mlflow]"])
    (config,) = run.callbacks
    config.build(folder).close()
    assert not folder.exists()
    run, _ = override(tiny_run(data), ["callbacks=[{name: mlflow, tracking_uri: 'nowhere://else'}]"])
    with pytest.raises(UserError, match=r"MLflow cannot write to nowhere://else: .* Give a folder"):
        train(run, folder)
    assert not folder.exists()


def records(file: Path) -> Iterator[bytes]:
    """Yield what a file of wandb holds: chunks as of LevelDB's log, each with its length and kind."""
    data, place, whole = file.read_bytes(), 7, b""
    while place + 7 <= len(data):
        if place % 32768 > 32768 - 7:
            place += -place % 32768
        length, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield whole
            whole = b""


def test_wandb_gets_them_in_one_run_without_a_network(watched: Path) -> None:
    from wandb.proto.wandb_internal_pb2 import Record

    rows, ids = list[dict[str, float]](), set[str]()
    for file in sorted(watched.glob("wandb/offline-run-*/*.wandb")):
        for record in map(Record.FromString, records(file)):
            if record.HasField("run"):
                ids.add(record.run.run_id)
            items = record.history.item
            rows.append(
                {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
            )
    assert ids == {(watched / "wandb_run.txt").read_text().strip()}
    for name in NUMBERS:
        assert [(row["step"], row[name]) for row in rows if name in row] == journal(watched, name)
    assert len(list(watched.glob("wandb/offline-run-*/files/media/images/*.png"))) == 2


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("mlflow", "mlflow"), ("wandb", "wandb")]
)
def test_without_the_extra_the_error_says_what_to_type_before_a_folder_exists(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    for known in [known for known in sys.modules if known.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, module, None)
    run, _ = override(tiny_run(data), [f"callbacks=[{name}]"])
    with pytest.raises(UserError, match=rf"pip install 's4former\[{name}\]'"):
        train(run, tmp_path / "run")
    assert not (tmp_path / "run").exists()
