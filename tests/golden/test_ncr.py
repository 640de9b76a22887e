"""Golden ``ncr``: cross-entropy of pseudo-labels and negative class ranking, values and gradients."""

from __future__ import annotations

import pytest
import torch
from golden_data import assert_gradient_close, cases, load_arrays
from torch import Tensor
from torch.nn import functional as F

from s4former.ops import count_pixels, cross_entropy, negative_class_ranking
from s4former.types import IGNORE

KL_LIMIT = 1e6  # the released code compares a class whose divergences sum to more by distance instead
MODES = ("unsup_only", "unsup_only_kl", "all", "kl")


def exploding(student: Tensor, teacher: Tensor, label: Tensor, drop_label: bool) -> Tensor:
    """Return the pixels of classes whose divergences, from a float32 softmax that underflows, explode."""
    explodes = torch.zeros_like(label, dtype=torch.bool)
    for one in label[label != IGNORE].unique():
        others = [c for c in range(student.shape[1]) if not drop_label or c != one]
        p, q = (x.detach().movedim(1, -1)[label == one][:, others].softmax(1) for x in (student, teacher))
        # Where both underflow the released value is NaN, and ours 0.
        terms = torch.where(q > 0, q * (q.log() - p.log()), 0.0)
        explodes |= (label == one) & (terms.sum() > KL_LIMIT)
    return explodes


def released_ranking(student: Tensor, teacher: Tensor, label: Tensor, released: str) -> Tensor:
    """The four released modes from our one loss."""
    pixels = count_pixels(label, "all")
    drop_label = released.startswith("unsup_only")
    explodes = exploding(student, teacher, label, drop_label)
    if not drop_label:  # to compare all classes, drop one that is not there
        student, teacher = (F.pad(x, (0, 0, 0, 0, 0, 1)) for x in (student, teacher))
        label = torch.where(label == IGNORE, label, student.shape[1] - 1)
    if not released.endswith("kl"):
        return negative_class_ranking(student, teacher, label, pixels, "l2")
    parts = {"l2": label.where(explodes, IGNORE), "kl": label.masked_fill(explodes, IGNORE)}
    losses = [negative_class_ranking(student, teacher, part, pixels, mode) for mode, part in parts.items()]
    return torch.stack(losses).sum()


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
        loss = released_ranking(student, case["teacher"], label, released)
        assert_matches(loss, student, case[f"ncr.{released}"], case[f"ncr_grad.{released}"])
