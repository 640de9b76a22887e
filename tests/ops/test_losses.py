"""Losses against plain loops, and at their edges; for released numbers see ``tests/golden/test_ncr.py``."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from s4former.ops import class_weights, count_pixels, cross_entropy, negative_class_ranking
from s4former.types import IGNORE


def pixels(seed, num_classes, spread=3.0, ignored=0.4, size=(2, 6, 5)):
    """Return random student logits, teacher logits and labels."""
    random = torch.Generator().manual_seed(seed)
    batch, height, width = size
    student, teacher = (
        spread * torch.randn(batch, num_classes, height, width, generator=random) for _ in range(2)
    )
    labels = torch.randint(num_classes, size, generator=random)
    labels[torch.rand(size, generator=random) < ignored] = IGNORE
    return student, teacher, labels


def ranking_by_loop(student, teacher, labels, mode):
    """Sum the ranking loss class by class, as a reader of the paper would write it."""
    total = torch.zeros(())
    for label in range(student.shape[1]):
        others = [c for c in range(student.shape[1]) if c != label]
        p = student.movedim(1, -1)[labels == label][:, others].softmax(1)
        q = teacher.movedim(1, -1)[labels == label][:, others].softmax(1)
        divergence = F.kl_div(p.log(), q, reduction="sum")
        distance = F.pairwise_distance(p, q, eps=1e-6).sum()
        total = total + (distance if mode == "l2" else divergence)
    return total


@given(st.integers(0, 2**32), st.integers(2, 7), st.sampled_from(["l2", "kl"]))
def test_ranking_equals_a_loop_over_classes(seed, num_classes, mode):
    student, teacher, labels = pixels(seed, num_classes)
    looped, vectorized = student.clone().requires_grad_(), student.clone().requires_grad_()
    expected = ranking_by_loop(looped, teacher, labels, mode) / labels.numel()
    actual = negative_class_ranking(vectorized, teacher, labels, labels.numel(), mode)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)
    if expected.requires_grad and num_classes > 2:
        gradients = [
            torch.autograd.grad(loss, at)[0] for loss, at in ((actual, vectorized), (expected, looped))
        ]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)


def test_divergence_is_finite_where_teacher_and_student_underflow():
    student = torch.tensor([0.0, 60.0, -60.0]).view(1, 3, 1, 1).requires_grad_()
    teacher = torch.tensor([0.0, 70.0, -80.0]).view(1, 3, 1, 1)
    labels = torch.zeros(1, 1, 1, dtype=torch.long)
    assert ranking_by_loop(student, teacher, labels, "kl").isnan()
    loss = negative_class_ranking(student, teacher, labels, labels.numel(), "kl")
    loss.backward()
    assert loss == 0
    assert torch.equal(student.grad, torch.zeros_like(student))


@pytest.mark.parametrize("mode", ["l2", "kl"])
def test_ranking_leaves_the_label_and_the_teacher_alone(mode):
    student, teacher, labels = pixels(1, 5, ignored=0.0)
    student.requires_grad_()
    teacher.requires_grad_()
    negative_class_ranking(student, teacher, labels, labels.numel(), mode).backward()
    assert teacher.grad is None
    assert student.grad.gather(1, labels[:, None]).eq(0).all()
    assert student.grad.ne(0).any()


@pytest.mark.parametrize("normalize_by", ["all", "labeled"])
@pytest.mark.parametrize("loss", ["ce", "l2", "kl"])
def test_nothing_known_gives_zero_and_no_gradient(loss, normalize_by):
    student, teacher, labels = pixels(2, 4, ignored=1.1)
    student.requires_grad_()
    if loss == "ce":
        value = cross_entropy(student, labels, count_pixels(labels, normalize_by))
    else:
        value = negative_class_ranking(student, teacher, labels, count_pixels(labels, normalize_by), loss)
    value.backward()
    assert value == 0
    assert student.grad.eq(0).all()


def test_valid_divides_by_the_known_pixels():
    student, teacher, labels = pixels(3, 4)
    ratio = labels.numel() / (labels != IGNORE).sum()
    for loss in (
        lambda pixels: cross_entropy(student, labels, pixels),
        lambda pixels: negative_class_ranking(student, teacher, labels, pixels, "l2"),
        lambda pixels: negative_class_ranking(student, teacher, labels, pixels, "kl"),
    ):
        valid, every = (loss(count_pixels(labels, normalize_by)) for normalize_by in ("labeled", "all"))
        torch.testing.assert_close(valid, ratio * every)


def test_half_precision_logits_are_summed_in_float32():
    student, teacher, labels = pixels(4, 4)
    half = student.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = (
            cross_entropy(half, labels, labels.numel()),
            negative_class_ranking(half, teacher.bfloat16(), labels, labels.numel(), "l2"),
        )
    expected = (
        cross_entropy(half.float(), labels, labels.numel()),
        negative_class_ranking(half.float(), teacher.bfloat16().float(), labels, labels.numel(), "l2"),
    )
    assert losses[0].dtype == losses[1].dtype == torch.float32
    torch.testing.assert_close(losses, expected, rtol=1e-6, atol=0)


def test_one_class_has_nothing_to_rank():
    student, teacher, labels = pixels(5, 1)
    with pytest.raises(ValueError, match="at least 2 classes"):
        negative_class_ranking(student, teacher, labels, 1)


def test_class_weights_of_a_small_case_by_hand():
    counts = torch.tensor([900, 100, 0])
    assert torch.equal(class_weights(counts, 0.0), torch.ones(3))
    torch.testing.assert_close(class_weights(counts, 1.0)[:2], torch.tensor([1 / 1.8, 5.0]))
    torch.testing.assert_close(class_weights(counts, 0.5)[:2], torch.tensor([1.0, 3.0]) / 1.2)
    assert torch.equal(class_weights(torch.zeros(3, dtype=torch.int64), 0.5), torch.ones(3))
    rare = class_weights(torch.tensor([99_989, 10, 1, 0]), 1.0)  # below 1 in 1,000 all count alike
    torch.testing.assert_close(rare[1:] / rare[0], torch.full((3,), 999.89))


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=9).filter(any), st.floats(0, 1))
def test_class_weights_are_finite_grow_with_rarity_and_are_1_for_the_mean_pixel(counts, power):
    weights = class_weights(torch.tensor(counts), power)
    shares = torch.tensor(counts) / sum(counts)
    assert weights.isfinite().all()
    torch.testing.assert_close((shares * weights).sum(), torch.tensor(1.0))
    order = shares.argsort(descending=True)
    assert (weights[order].diff() >= 0).all()


def test_weighted_cross_entropy_is_a_weighted_sum_over_a_number_of_pixels():
    student, _, labels = pixels(3, 4)
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    expected = sum(
        weights[c] * cross_entropy(student, labels.where(labels == c, IGNORE), labels.numel())
        for c in range(4)
    )
    torch.testing.assert_close(cross_entropy(student, labels, labels.numel(), weights), expected)
