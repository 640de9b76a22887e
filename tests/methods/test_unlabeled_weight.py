"""From when on, and how much, unlabeled images count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from s4former.curation import open_source
from s4former.engine.loop import opening
from s4former.methods import config_class
from s4former.methods.mean_teacher import MeanTeacherConfig
from s4former.testing import random_batch, tiny_student
from tiny_run import make_data, tiny_run


def test_the_ramp_starts_where_unlabeled_images_do() -> None:
    config = MeanTeacherConfig(unlabeled_weight=2, unlabeled_start_step=10, unlabeled_ramp_steps=4)
    assert [config.without_unlabeled(step) for step in (0, 9, 10)] == [True, True, True]
    assert not config.without_unlabeled(11)
    assert [config.loss_weights(step) for step in (10, 11, 14, 99)] == [(1, 0), (1, 0.5), (1, 2), (1, 2)]


def test_averaged_losses_have_weights_that_add_up_to_one() -> None:
    config = MeanTeacherConfig(unlabeled_weight=3, unlabeled_ramp_steps=3, average_losses=True)
    assert [config.loss_weights(step) for step in (0, 1, 3)] == [(1, 0), (0.5, 0.5), (0.25, 0.75)]


@pytest.mark.parametrize(
    ("settings", "learns"),
    [
        ({}, True),
        ({"unlabeled_start_step": 5}, True),
        ({"unlabeled_start_step": 5, "unlabeled_ramp_steps": 3}, False),
        ({"unlabeled_start_step": 4, "unlabeled_ramp_steps": 3}, True),
        ({"unlabeled_weight": 0}, False),
    ],
)
def test_a_run_that_learns_nothing_from_unlabeled_images_says_so(
    settings: dict[str, Any], learns: bool, tmp_path: Path
) -> None:
    data = make_data(tmp_path / "data")
    run = tiny_run(data, {f"method.{name}": value for name, value in settings.items()})
    said = opening(run, open_source(run.data))
    assert run.steps == 6
    assert ("nothing is learned from them" in said) == (not learns)


def passes(monkeypatch: pytest.MonkeyPatch, name: str, settings: dict[str, Any]) -> Counter[str]:
    """Return how often each network of a method encodes, decodes and decodes for training alone in a step."""
    torch.manual_seed(0)
    method = config_class(name)(**settings).build(tiny_student())
    counts: Counter[str] = Counter()

    def count(network: nn.Module, owner: str, verb: str) -> None:
        call = getattr(network, verb)

        def counted(*args: Any) -> Any:
            counts[f"{owner} {verb}"] += 1
            return call(*args)

        monkeypatch.setattr(network, verb, counted)

    for owner, network in method.networks.items():
        for verb in ("encode", "decode", "decode_auxiliary"):
            count(network, owner, verb)
    batch = random_batch(0)
    loss = method.train()(batch, method.prepare(batch)).loss
    loss.backward()
    assert loss > 0
    return counts


ONE_PASS = {"student encode": 1, "student decode": 1}


@pytest.mark.parametrize(
    "name", ["s4former", "s4former_plus", "mean_teacher", "fixmatch", "unimatch", "unimatch_v2"]
)
@pytest.mark.parametrize(
    "weightless", [{"unlabeled_weight": 0}, {"unlabeled_ramp_steps": 5}, {"unlabeled_start_step": 5}]
)
def test_no_pass_is_made_whose_loss_weighs_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, weightless: dict[str, Any]
) -> None:
    assert passes(monkeypatch, name, {"auxiliary_weight": 0, **weightless}) == ONE_PASS
    counted = passes(monkeypatch, name, {})
    assert counted["student encode"] > 1
    assert counted["student decode_auxiliary"] == 1
    assert counted["teacher decode_auxiliary"] == 0


@pytest.mark.parametrize(("share", "students"), [(0.0, 4), (0.5, 5), (1.0, 3)])
def test_streams_of_unimatch(monkeypatch: pytest.MonkeyPatch, share: float, students: int) -> None:
    """One labels, one learns labels; two strong views and one of features, if they count."""
    assert passes(monkeypatch, "unimatch", {"feature_share": share})["student encode"] == students


def test_no_ranking_of_weight_0(monkeypatch: pytest.MonkeyPatch) -> None:
    method = config_class("s4former")(ncr_weight=0).build(tiny_student())
    batch = random_batch(0)
    targets = method.prepare(batch)
    assert all(view.teacher_logits is None for view in targets.views.values())
    assert "loss/ncr" not in method(batch, targets).scalars
