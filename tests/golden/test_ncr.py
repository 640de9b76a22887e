"""Golden ``ncr``: cross-entropy of pseudo-labels and negative class ranking, values and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from golden_data import assert_gradient_close, cases, load_arrays
from torch import Tensor

from s4former.ops.losses import count_pixels, cross_entropy, negative_class_ranking

MODES: dict[str, dict[str, Any]] = {
    "unsup_only": {"mode": "l2"},
    "unsup_only_kl": {"mode": "kl"},
    "all": {"mode": "l2", "drop_label": False},
    "kl": {"mode": "kl", "drop_label": False},
}


def assert_matches(loss: Tensor, student: Tensor, expected: Tensor, gradient: Tensor) -> None:
    loss.backward()
    torch.testing.assert_close(loss.detach(), expected, rtol=1e-5, atol=1e-6)
    assert_gradient_close(student.grad, gradient, 1e-5)


def test_cross_entropy_divides_by_all_pixels(golden):
    for case in cases(load_arrays(golden("ncr.npz")), "student").values():
        student, label = case["student"].requires_grad_(), case["label"].long()
        loss = cross_entropy(student, label, count_pixels(label, "all"))
        assert_matches(loss, student, case["ce"], case["ce_grad"])


@pytest.mark.parametrize("released", MODES)
def test_ranking_equals_the_released_value_and_gradient(golden, released):
    for case in cases(load_arrays(golden("ncr.npz")), "student").values():
        student = case["student"].requires_grad_()
        label = case["label"].long()
        pixels = count_pixels(label, "all")
        loss = negative_class_ranking(student, case["teacher"], label, pixels, **MODES[released])
        assert_matches(loss, student, case[f"ncr.{released}"], case[f"ncr_grad.{released}"])
