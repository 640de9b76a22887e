"""A run that goes on is read from its folder, and a data set is read once before the first batch."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

import s4former
from s4former.config import UserError
from s4former.recipes import load_run, plan_run
from tiny_run import NAMES, make_data, tiny_run

pytestmark = pytest.mark.slow

SHORT = ["steps=2"]
_opened: list[str] | None = None
"""What is opened, while it is counted; an audit hook cannot be taken away."""


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None:
        _opened.append(str(arguments[0]))


sys.addaudithook(_audit)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A YAML file of a tiny run."""
    run = tiny_run(make_data(tmp_path / "data"))
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(run.model_dump(mode="json")))
    return path


@pytest.fixture
def folder(config: Path) -> Path:
    """A finished run of it."""
    return s4former.train(config, SHORT, out=config.parent / "run", progress=False).folder


def test_a_resumed_run_is_what_its_folder_says_and_not_what_its_config_says_today(
    config: Path, folder: Path
) -> None:
    assert json.loads((folder / "run.json").read_text())["config"] == str(config)
    config.write_text(config.read_text().replace("lr: 0.001", "lr: 0.5"))
    assert load_run(config)[0].optimizer.lr == 0.5
    assert plan_run(config, SHORT, folder).run.optimizer.lr == 1e-3
    config.unlink()
    again = s4former.train(config, out=folder, resume=True, progress=False)
    assert again.steps == 2, "the overrides of the first call need not be typed again"
    with pytest.raises(UserError, match=r"steps was 2, now 3"):
        s4former.train(config, ["steps=3"], out=folder, resume=True, progress=False)


def test_another_config_is_refused_with_the_one_to_name(config: Path, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(config.read_text())
    for name in (str(other), "demo"):
        with pytest.raises(UserError, match=rf"was started from {config}, not from {name}; name {config}"):
            s4former.train(name, SHORT, out=folder, resume=True, progress=False)


def test_the_same_file_by_another_path_is_the_same_config(
    config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    assert plan_run("tiny.yaml", (), folder).run.steps == 2


def test_data_relative_to_where_the_run_was_started_are_found_from_elsewhere(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    s4former.train("tiny.yaml", ["data.root=data", *SHORT], out="run", progress=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert plan_run(config, (), tmp_path / "run").run.data.root == str(tmp_path / "data")


def test_a_folder_without_a_run_starts_one(config: Path, tmp_path: Path) -> None:
    assert plan_run(config, SHORT, tmp_path / "new").run == load_run(config, SHORT)[0]


def test_a_dataset_file_is_read_once_before_the_first_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    global _opened
    data = make_data(tmp_path / "data")
    content = {
        "names": NAMES,
        "labeled": {"images": "images/train", "masks": "masks/train", "list": "labeled.txt"},
        "val": {"images": "images/val", "masks": "masks/val"},
    }
    (data / "dataset.yaml").write_text(yaml.safe_dump(content))
    tiny = tiny_run(data).model_dump(mode="json")
    changes = {name: tiny[name] for name in ("model", "threads", "device")}
    changes |= {"steps": 1, "data.crop_size": 32}
    monkeypatch.setattr(f"{__name__}._opened", [])
    s4former.train(data / "dataset.yaml", changes, out=tmp_path / "run", progress=False)
    opened, _opened = Counter(_opened), None
    assert opened[str(data / "dataset.yaml")] == 1
    assert opened[str(data / "labeled.txt")] == 1
    (data / "one.txt").write_text("train0\n")
    other = plan_run(data / "dataset.yaml", {**changes, "data.labeled_split": "one.txt"})
    assert other.source is not None
    assert len(other.source.labeled) == 1
