"""Alarms: each is provoked by a tiny run, says what to type, and is given once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s4former.config import Interrupted
from s4former.config.override import override
from s4former.engine import train
from s4former.engine.alarm_rules import RULES, TINY_LOSS, wrong_line, wrong_scores
from s4former.engine.alarms import Alarms, read_alarms, standing
from s4former.engine.alarms_config import AlarmsConfig
from s4former.engine.callbacks import Callback
from s4former.engine.journal import append_line, forget_after
from s4former.methods import method_names
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

PROVOKED: dict[str, dict[str, Any]] = {
    "no_confident_pixel": {"method.confidence_threshold": 1.0},
    "one_class_swallows": {"method.confidence_threshold": 0.0, "optimizer.lr": 1e-2, "steps": 24},
    "teacher_below_student": {"method.ema_decay": 0.9999, "optimizer.lr": 1e-2, "steps": 24},
    "unlabeled_loss_tiny": {"method.confidence_threshold": 0.0, "method.unlabeled_weight": 1e-5},
}
EARLY = {"alarms.patience": 2, "diagnose_every": 1, "steps": 12, "evaluate_every": 6}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


class Ear(Callback):
    """Hears messages, and stops a run at a step."""

    def __init__(self, stop: int = 0) -> None:
        self.stop, self.said = stop, list[str]()

    def on_message(self, text: str) -> None:
        self.said.append(text)

    def on_step(self, step: int) -> None:
        if step == self.stop:
            raise Interrupted("enough")


@pytest.mark.parametrize("alarm", RULES)
def test_a_run_gives_it_once_and_says_what_to_type(alarm: str, data: Path, tmp_path: Path) -> None:
    run, ear = tiny_run(data, EARLY | PROVOKED[alarm]), Ear()
    train(run, tmp_path / "run", progress=ear)
    lines = [line for line in read_alarms(tmp_path / "run") if line["alarm"] == alarm]
    assert [line["state"] for line in lines] in (["raised"], ["raised", "over"])
    said = [text for text in ear.said if text.startswith(f"alarm {alarm}: ")]
    assert len(said) == 1
    for part in (lines[0]["seen"], lines[0]["means"], *lines[0]["advice"], "docs/why.md"):
        assert part in said[0]
    assert lines[0]["advice"]
    for advice in lines[0]["advice"]:
        assert override(run, [advice])[0] != run, advice
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["alarms"] == read_alarms(tmp_path / "run")
    assert any("not over" in text and alarm in text for text in ear.said) == (len(lines) == 1)


@pytest.mark.parametrize("method", method_names())
def test_advice_fits_every_method(method: str, data: Path) -> None:
    run = tiny_run(data, {"method.name": method})
    for rule in RULES.values():
        for advice in rule.advice(run):
            assert override(run, [advice])[0] != run, advice


def test_a_resumed_run_gives_the_alarms_of_one_that_was_not_stopped(data: Path, tmp_path: Path) -> None:
    run = tiny_run(data, EARLY | PROVOKED["no_confident_pixel"] | {"alarms.patience": 6})
    train(run, tmp_path / "straight")
    with pytest.raises(Interrupted):
        train(run, tmp_path / "run", progress=Ear(stop=5))
    assert not read_alarms(tmp_path / "run")
    train(run, tmp_path / "run", resume=True)
    assert [line["step"] for line in read_alarms(tmp_path / "run")] == [6]
    assert read_alarms(tmp_path / "run") == read_alarms(tmp_path / "straight")


def test_it_can_be_switched_off(data: Path, tmp_path: Path) -> None:
    run = tiny_run(data, EARLY | PROVOKED["no_confident_pixel"] | {"alarms.enabled": False})
    train(run, tmp_path / "run")
    assert not (tmp_path / "run" / "alarms.jsonl").exists()


def line(step: int, confident: float, **more: float) -> dict[str, Any]:
    return {"step": step, "pseudo/confident": confident, **more}


def test_it_waits_and_says_once_when_it_is_over(data: Path, tmp_path: Path) -> None:
    ear = Ear()
    alarms = Alarms(tiny_run(data, {"alarms.patience": 20}), tmp_path, ear.on_message)
    alarms.on_start(0, 100)
    for step, confident in ((10, 0), (20, 0), (30, 0.2), (40, 0), (50, 0), (60, 0), (70, 0.3), (80, 0)):
        alarms.on_log(line(step, confident))
    found = [(each["step"], each["state"]) for each in read_alarms(tmp_path)]
    assert found == [(20, "raised"), (30, "over")]
    assert "since step 1 " in ear.said[0]
    assert standing(read_alarms(tmp_path)) == []
    assert standing(read_alarms(tmp_path)[:1]) == ["no_confident_pixel"]


def test_a_class_that_is_frequent_among_the_labels_may_be_among_the_pseudo_labels(data: Path) -> None:
    run, name = tiny_run(data), "one_class_swallows"

    def wrong(share: float, usual: float) -> str | None:
        kept = line(100, 0.5, **{"pseudo/share/sky": share, "pseudo/share/sea": 1 - share})
        return wrong_line(kept, {"sky": usual, "sea": 1 - usual}, AlarmsConfig(), run)[name]

    assert wrong(0.9, 0.6) is None
    assert wrong(0.45, 0.01) is None
    assert wrong(0.9, 0.5) == "90% of the pseudo-labels are sky, which 50% of the labeled pixels are"
    assert name not in wrong_line(line(100, 0.5), {"sky": 1.0}, AlarmsConfig(), run)


def test_a_loss_that_still_rises_is_not_too_small(data: Path) -> None:
    run = tiny_run(data, {"method.unlabeled_ramp_steps": 3, "steps": 20, "log_every": 1})
    losses = {"loss": 1.001, "loss/supervised": 1.0, "loss/mixed": 0.001}
    assert "unlabeled_loss_tiny" not in wrong_line(line(3, 0.5, **losses), {}, AlarmsConfig(), run)
    found = wrong_line(line(4, 0.5, **losses), {}, AlarmsConfig(), run)
    assert found["unlabeled_loss_tiny"] == "the unlabeled losses are 0.10% of the labeled one"
    losses["loss/mixed"] = 0.02
    assert wrong_line(line(5, 0.5, **losses), {}, AlarmsConfig(), run)["unlabeled_loss_tiny"] is None


def test_a_teacher_within_the_margin_is_fine() -> None:
    def scores(teacher: float, student: float) -> list[dict[str, Any]]:
        names = (("student", student), ("teacher", teacher))
        return [{"network": name, "miou": miou, "part": "val", "images": 3} for name, miou in names]

    assert wrong_scores(scores(0.5, 0.519), AlarmsConfig()) is None
    text = wrong_scores(scores(0.5, 0.53), AlarmsConfig())
    assert text
    assert "3 val images (few, so this may be chance)" in text
    assert wrong_scores(scores(0.5, 0.6)[:1], AlarmsConfig()) is None


def test_patience_follows_the_length_of_the_run() -> None:
    steps = [AlarmsConfig().steps(steps) for steps in (100, 600, 80_000)]
    assert steps == [10, 30, 100]


def test_alarms_of_steps_that_come_again_are_dropped(tmp_path: Path) -> None:
    for step in (4, 8):
        append_line(tmp_path / "alarms.jsonl", {"step": step, "alarm": "x", "state": "raised"})
    forget_after(tmp_path / "alarms.jsonl", 5)
    assert [each["step"] for each in read_alarms(tmp_path)] == [4]


def test_a_small_weight_is_named_before_stronger_views(data: Path) -> None:
    small, usual = tiny_run(data, {"method.unlabeled_weight": 1e-5}), tiny_run(data)
    assert TINY_LOSS.advice(small) == ["method.unlabeled_weight=1"]
    assert TINY_LOSS.advice(usual)
    assert not any("unlabeled_weight" in advice for advice in TINY_LOSS.advice(usual))
