"""The end of a run against the network from before unlabeled images took part: never worse without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from s4former.config import Interrupted
from s4former.engine import fallback, train
from s4former.engine.callbacks import Callback
from s4former.inference import LEAST_IMAGES
from s4former.ops import areas, bootstrap_difference
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

LABELS_FIRST: dict[str, Any] = {
    "fall_back": True,
    "method.unlabeled_start_step": 3,
    "method.teacher_starts": "copy_at_start",
    "evaluate_every": 0,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), val=LEAST_IMAGES)


class Ear(Callback):
    """Hears messages, and stops a run at a step."""

    def __init__(self, stop: int = 0) -> None:
        self.stop, self.said = stop, list[str]()

    def on_message(self, text: str) -> None:
        self.said.append(text)

    def on_step(self, step: int) -> None:
        if step == self.stop:
            raise Interrupted("enough")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.fixture
def interval(monkeypatch: pytest.MonkeyPatch):
    """Say what the interval of the difference is."""

    def set_to(low: float, high: float) -> None:
        monkeypatch.setattr(fallback, "bootstrap_difference", lambda *_: (low, high))

    return set_to


def test_what_is_worse_beyond_noise_is_not_the_model(data: Path, tmp_path: Path, interval) -> None:
    interval(-0.2, -0.1)
    ear, run = Ear(), tmp_path / "run"
    outcome = train(tiny_run(data, LABELS_FIRST), run, progress=ear)
    assert same(run / "model", run / "model_before")
    assert not same(run / "model", run / "model_last")
    assert outcome.load().card.step == 3
    assert "val shows the end to be worse" in outcome.load().card.chosen
    (said,) = [text for text in ear.said if text.startswith("unlabeled images did harm")]
    assert "-20.0 to -10.0" in said
    result = json.loads((run / "result.json").read_text())["fall_back"]
    assert (result["verdict"], result["fell_back"], result["before_step"]) == ("harmed", True, 3)
    assert result["images"] == LEAST_IMAGES
    assert outcome.fall_back == {**result, "interval": tuple(result["interval"])}


@pytest.mark.parametrize(
    ("ends", "verdict", "said"),
    [((0.1, 0.2), "helped", "unlabeled images helped"), ((-0.1, 0.2), "unknown", "cannot be told")],
)
def test_otherwise_the_end_is_the_model(
    data: Path, tmp_path: Path, interval, ends: tuple[float, float], verdict: str, said: str
) -> None:
    interval(*ends)
    ear, run = Ear(), tmp_path / "run"
    outcome = train(tiny_run(data, LABELS_FIRST), run, progress=ear)
    assert outcome.load().card.step == 6
    assert not (run / "model_last").exists()
    assert outcome.fall_back
    assert (outcome.fall_back["verdict"], outcome.fall_back["fell_back"]) == (verdict, False)
    assert any(said in text for text in ear.said)
    assert any("s4former compare" in text for text in ear.said) == (verdict == "unknown")


def test_the_scores_compared_are_those_of_both_networks(data: Path, tmp_path: Path) -> None:
    outcome = train(tiny_run(data, LABELS_FIRST), tmp_path / "run")
    found = outcome.fall_back
    assert found
    assert found["end"] == pytest.approx(outcome.last["teacher"]["miou"])
    low, high = found["interval"]
    assert low <= found["end"] - found["before"] <= high
    early = tiny_run(data, {"steps": 3, "evaluate_every": 0, "method.name": "supervised"})
    assert train(early, tmp_path / "early").last["student"]["miou"] == pytest.approx(
        found["before"], abs=0.05
    )


def test_few_images_cannot_tell(tmp_path: Path, interval) -> None:
    interval(-0.2, -0.1)  # whatever it would be
    data = make_data(tmp_path / "data", val=LEAST_IMAGES - 1)
    ear = Ear()
    outcome = train(tiny_run(data, LABELS_FIRST), tmp_path / "run", progress=ear)
    assert outcome.fall_back
    assert outcome.fall_back["verdict"] == "unknown"
    assert outcome.fall_back["interval"] is None
    assert outcome.load().card.step == 6
    (said,) = [text for text in ear.said if "cannot be told" in text]
    assert "5 val images" in said
    assert "s4former compare CONFIG --methods supervised,s4former --folds 5" in said


def test_without_val_images_it_says_so(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    ear = Ear()
    train(tiny_run(data, {**LABELS_FIRST, "data.val_images": None}), tmp_path / "run", progress=ear)
    assert any("cannot be told: there are no val images" in text for text in ear.said)


def test_a_resumed_run_comes_to_the_same_verdict(data: Path, tmp_path: Path) -> None:
    run = tiny_run(data, LABELS_FIRST)
    straight = train(run, tmp_path / "straight")
    for stop in (3, 5):  # before and after the state that holds the start
        with pytest.raises(Interrupted):
            train(run, tmp_path / "run", resume=stop > 3, progress=Ear(stop))
    assert train(run, tmp_path / "run", resume=True).fall_back == straight.fall_back
    assert same(tmp_path / "run" / "model_before", tmp_path / "straight" / "model_before")


@pytest.mark.parametrize(
    "changes", [{"fall_back": False}, {"method.name": "supervised"}, {"method.unlabeled_start_step": 0}]
)
def test_nothing_is_kept_where_there_is_nothing_to_fall_back_to(
    data: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    if changes.get("method.name") == "supervised":
        changes = {**changes, "fall_back": True, "evaluate_every": 0}
        run = tiny_run(data, changes)
    else:
        run = tiny_run(data, LABELS_FIRST | changes)
    ear = Ear()
    outcome = train(run, tmp_path / "run", progress=ear)
    assert outcome.fall_back is None
    assert not (tmp_path / "run" / "model_before").exists()
    said = any("type method.unlabeled_start_step=3" in text for text in ear.said)
    assert said == ("method.unlabeled_start_step" in changes)


def test_an_interval_of_a_paired_difference() -> None:
    generator = torch.Generator().manual_seed(0)
    hard = torch.randint(5, 95, (12,), generator=generator)

    def network(gain: int) -> torch.Tensor:
        right = hard + gain
        matrices = [torch.tensor([[100, 0], [100 - one, one]]) for one in right.tolist()]
        return torch.stack([areas(matrix) for matrix in matrices])

    assert bootstrap_difference(network(0), network(0)) == (0, 0)
    low, high = bootstrap_difference(network(5), network(0))
    assert 0 < low < high < 0.1
    assert bootstrap_difference(network(0), network(5)) == pytest.approx((-high, -low), abs=1e-3)
