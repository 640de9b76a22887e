"""Pseudo-labels over time: pictures of the same crops, of which training notices nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.config import Interrupted
from s4former.config.override import override
from s4former.engine import pseudo_label_panels as panels
from s4former.engine import read_lines, train
from s4former.engine.callbacks import Callback
from tiny_run import make_data, tiny_run

CHANGES = {
    "steps": 6,
    "evaluate_every": 2,
    "method.unlabeled_start_step": 2,
    "method.class_balance": 0.5,
    "method.class_share": 0.6,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def folder(data: Path) -> Path:
    train(tiny_run(data, CHANGES), data.parent / "run")
    return data.parent / "run"


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_lines(folder / "journal.jsonl")]


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "panels" / "unlabeled").iterdir()}


def test_the_same_crops_are_shown_from_the_start_of_labeling_on(folder: Path) -> None:
    shown = folder / "panels" / "unlabeled"
    index = json.loads((shown / "index.json").read_text())
    kinds = ["weak", "teacher", "kept", "uncertainty", "strong", "shuffled"]
    assert [(line["step"], line["row"], line["kinds"]) for line in index] == [
        (step, row, kinds) for step in (2, 4, 6) for row in range(3)
    ]
    assert len({line["image"] for line in index}) == 3
    for row in range(3):
        views = [(shown / f"{step:06d}_{row}_weak.png").read_bytes() for step in (2, 4, 6)]
        assert len(set(views)) == 1
        teacher, kept = (
            np.asarray(Image.open(shown / f"000006_{row}_{kind}.png")) for kind in ("teacher", "kept")
        )
        learned = (kept != 224).any(-1)
        assert np.array_equal(kept[learned], teacher[learned])


def test_training_notices_nothing_and_a_resumed_run_ends_with_the_same_pictures(
    data: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Callback):
        def on_step(self, step: int) -> None:
            if step == 5:
                raise Interrupted("enough")

    run = tiny_run(data, CHANGES)
    with pytest.raises(Interrupted):
        train(run, tmp_path / "stopped", progress=Stop())
    train(run, tmp_path / "stopped", resume=True)
    assert pictures(tmp_path / "stopped") == pictures(folder)
    monkeypatch.setattr(panels, "moments", lambda run: set())
    train(run, tmp_path / "without")
    assert not (tmp_path / "without" / "panels" / "unlabeled").exists()
    assert losses(tmp_path / "stopped") == losses(tmp_path / "without") == losses(folder)


def test_moments_are_few_and_the_last_one_is_the_end(data: Path) -> None:
    assert panels.moments(tiny_run(data, {"steps": 1000, "evaluate_every": 10})) >= {0, 1000}
    assert len(panels.moments(tiny_run(data, {"steps": 1000, "evaluate_every": 10}))) == 8
    late, _ = override(tiny_run(data), ["steps=9", "evaluate_every=0", "method.unlabeled_start_step=4"])
    assert panels.moments(late) == {4, 9}
