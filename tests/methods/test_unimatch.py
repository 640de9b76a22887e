"""UniMatch and UniMatch V2: two strong views, whatever recipe they come from, and their perturbation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from s4former.methods import METHODS, config_class
from s4former.testing import LAWS, Subject, awake, learn, random_batch, tiny_student


@pytest.mark.parametrize("name", ["unimatch", "unimatch_v2"])
def test_a_single_policy_is_taken_for_both_strong_views(name: str) -> None:
    config = METHODS.parse({"name": name, "views": {"strong": ["photometric"]}})
    assert [policy.name for policy in config.views.strong] == ["photometric", "photometric"]
    three: dict[str, Any] = {"name": name, "views": {"strong": ["jitter"] * 3}}
    assert len(METHODS.parse(three).views.strong) == 3


@pytest.mark.parametrize("name", ["s4former", "s4former_plus"])
def test_a_pair_of_one_policy_is_one_strong_view_for_s4former(name: str) -> None:
    pair: dict[str, Any] = {"name": name, "views": {"strong": ["jitter", "jitter"]}}
    assert [policy.name for policy in METHODS.parse(pair).views.strong] == ["jitter"]
    with pytest.raises(ValidationError, match="learns one strong view, got 2 that differ"):
        METHODS.parse({"name": name, "views": {"strong": ["jitter", "photometric"]}})


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws_hold_with_complementary_dropout(law) -> None:
    law(Subject("unimatch_v2", {"perturb": ("complementary_dropout",)}))


def test_a_perturbation_that_acts_twice_draws_twice() -> None:
    perturb = ("channel_dropout", {"name": "channel_dropout", "probability": 0.2}, "channel_dropout")
    method = config_class("unimatch_v2").model_validate({"perturb": perturb}).build(tiny_student()).train()
    view = method.prepare(random_batch(0)).views["strong_1"]
    features = (torch.ones(len(view.images), 64, 2, 2),)
    first, second, third = (part.after(features, view)[0] for part in method.strong.perturbations)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert set(second.unique().tolist()) == {0.0, 1.25}
    assert not torch.equal(first, third)
    dropped = 1 - (first * third > 0).float().mean()
    assert 0.6 < dropped < 0.9  # of two that draw alike it would be a half


@pytest.mark.parametrize("name", ["unimatch", "unimatch_v2"])
def test_strong_views_differ_in_boxes_and_share_the_weight_of_one(name: str) -> None:
    method = awake(name, cutmix_probability=1.0).build(tiny_student()).train()
    batch = random_batch(0)
    targets = method.prepare(batch)
    first, second = targets.views["strong_1"], targets.views["strong_2"]
    draw = method.strong.cutmix.draw
    assert not torch.equal(draw(first), draw(second))
    assert targets.labeled_weight == targets.unlabeled_weight == 0.5
    output = learn(method, batch)
    parts = [value for key, value in output.scalars.items() if key.startswith("loss/")]
    torch.testing.assert_close(torch.stack(parts).sum(), output.loss)


def test_the_stream_of_features_is_the_weak_view_unmixed() -> None:
    method, batch = awake("unimatch").build(tiny_student()).train(), random_batch(0)
    assert batch.unlabeled is not None
    view = method.prepare(batch).views["features"]
    assert torch.equal(view.images, batch.unlabeled.weak)
    share = [
        learn(awake("unimatch", feature_share=share).build(tiny_student()).train(), batch).scalars
        for share in (0.25, 0.5)
    ]
    torch.testing.assert_close(2 * share[0]["loss/features"], share[1]["loss/features"])
    torch.testing.assert_close(share[0]["loss/consistency_1"], 1.5 * share[1]["loss/consistency_1"])
