"""Confusion matrices and scores against plain NumPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index

from s4former.ops import Scores, areas, bootstrap, confusion_matrix
from s4former.types import IGNORE

MEANS = ("miou", "miou_present", "macc", "aacc")


@given(st.integers(0, 2**32), st.integers(1, 6), st.sampled_from([np.uint8, np.int32, np.int64]))
def test_matrix_equals_counting_pixel_by_pixel(seed, num_classes, dtype):
    random = np.random.default_rng(seed)
    prediction = random.integers(0, num_classes, (3, 7)).astype(dtype)
    labels = random.integers(0, num_classes, (3, 7)).astype(dtype)
    labels[random.random((3, 7)) < 0.3] = IGNORE
    expected = np.zeros((num_classes, num_classes), dtype=np.int64)
    for label, predicted in zip(labels.flat, prediction.flat, strict=True):
        if label != IGNORE:
            expected[label, predicted] += 1
    actual = confusion_matrix(torch.from_numpy(prediction), torch.from_numpy(labels), num_classes)
    assert actual.dtype == torch.int64
    np.testing.assert_array_equal(actual.numpy(), expected)


@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(1, 4), st.integers(1, 5))
def test_scores_are_those_of_sets_of_pixels_and_of_torchmetrics(seed, num_classes, shards, images):
    """Of images of several sizes, padded to one and counted in shards; some classes are in no image."""
    random = np.random.default_rng(seed)
    labeled, predicted = (
        random.permutation(num_classes)[: random.integers(1, num_classes + 1)] for _ in "ab"
    )
    matrices = torch.zeros(shards, num_classes, num_classes, dtype=torch.int64)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for index in range(images):
        height, width = random.integers(1, 9, 2)
        truth, guess = np.full((8, 8), IGNORE), random.integers(0, 256, (8, 8))  # padding: anything goes
        truth[:height, :width] = random.choice([*labeled, IGNORE], (height, width))
        guess[:height, :width] = random.choice(predicted, (height, width))
        matrices[index % shards] += confusion_matrix(torch.tensor(guess), torch.tensor(truth), num_classes)
        pairs.append((truth[:height, :width].ravel(), guess[:height, :width].ravel()))
    scores = Scores.from_matrix(matrices.sum(0))

    truth, guess = (np.concatenate(each) for each in zip(*pairs, strict=True))
    known = truth != IGNORE
    sets = [((truth == k) & known, (guess == k) & known) for k in range(num_classes)]
    with np.errstate(invalid="ignore"):
        iou = np.array([np.divide((a & b).sum(), (a | b).sum()) for a, b in sets])
        acc = np.array([np.divide((a & b).sum(), a.sum()) for a, b in sets])
    np.testing.assert_allclose(scores.iou, iou)
    np.testing.assert_allclose(scores.acc, acc)
    if not known.any():
        assert math.isnan(scores.miou)
        return
    np.testing.assert_allclose(scores.miou, np.nanmean(iou))
    np.testing.assert_allclose(scores.miou_present, iou[[a.any() for a, _ in sets]].mean())

    given = {"num_classes": num_classes, "ignore_index": IGNORE}
    target, preds = torch.tensor(truth), torch.tensor(guess)
    theirs = multiclass_jaccard_index(preds, target, average=None, **given)
    np.testing.assert_allclose(np.nan_to_num(scores.iou), theirs, rtol=1e-6)  # they say 0 of what is nowhere
    np.testing.assert_allclose(
        scores.miou, multiclass_jaccard_index(preds, target, average="macro", **given), rtol=1e-6
    )
    np.testing.assert_allclose(
        scores.aacc, multiclass_accuracy(preds, target, average="micro", **given), rtol=1e-6
    )


def test_predictions_at_ignored_pixels_may_be_anything():
    labels = torch.tensor([IGNORE, 1])
    assert confusion_matrix(torch.tensor([77, 1]), labels, 2).tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("prediction", "label", "message"),
    [
        ([0, 1], [0, 7], r"label values must be 0 to 1 .*found \[7\]"),
        ([0, 3], [0, 1], r"prediction values.*\[3\]"),
        ([0, 1], [0, 2], r"label values.*\[2\]"),
        ([0, -1], [0, 1], r"prediction values.*\[-1\]"),
    ],
)
def test_values_that_are_no_class_are_named(prediction, label, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(torch.tensor(prediction), torch.tensor(label), 2)


def test_scores_of_a_small_matrix():
    # Class 2 is predicted but never labeled, class 3 neither.
    scores = Scores.from_matrix(torch.tensor([[6, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    assert scores.iou[:3] == pytest.approx((6 / 9, 0, 0))
    assert math.isnan(scores.iou[3])
    assert scores.acc[:2] == pytest.approx((6 / 8, 0))
    assert math.isnan(scores.acc[2])
    assert scores.miou == pytest.approx(6 / 27)
    assert scores.miou_present == pytest.approx(6 / 18)
    assert scores.counted_absent == (2,)
    assert scores.macc == pytest.approx(3 / 8)
    assert scores.aacc == pytest.approx(6 / 10)


def test_nothing_scored_is_not_a_number():
    scores = Scores.from_matrix(torch.zeros(3, 3, dtype=torch.int64))
    assert all(
        math.isnan(score)
        for score in (*scores.iou, *scores.acc, scores.miou, scores.miou_present, scores.macc, scores.aacc)
    )


def image_matrices(count: int) -> torch.Tensor:
    """Return confusion matrices of images of three classes; the last class is in the first image only."""
    random = np.random.default_rng(1)
    matrices = random.integers(1, 50, (count, 3, 3))
    matrices[1:, 2] = 0
    return torch.from_numpy(matrices)


def test_interval_is_that_of_scoring_every_resample():
    matrices = image_matrices(5)
    low, high = bootstrap(torch.stack([areas(matrix) for matrix in matrices]))
    # All 3,125 draws of five images, each as likely as the other: what 2,000 draws come close to.
    every = [
        Scores.from_matrix(matrices[list(draw)].sum(0)) for draw in itertools.product(range(5), repeat=5)
    ]
    for name in MEANS:
        expected = np.nanquantile([getattr(scores, name) for scores in every], (0.025, 0.975))
        np.testing.assert_allclose((getattr(low, name), getattr(high, name)), expected, atol=0.02)
    seen = [scores.iou[2] for scores in every if not math.isnan(scores.acc[2])]
    np.testing.assert_allclose((low.iou[2], high.iou[2]), np.quantile(seen, (0.025, 0.975)), atol=0.02)
    assert low.miou < Scores.from_matrix(matrices.sum(0)).miou < high.miou


def test_interval_is_the_same_again_narrower_for_more_and_none_for_one():
    by_image = torch.stack([areas(matrix) for matrix in image_matrices(4)])
    first, again = bootstrap(by_image), bootstrap(by_image)
    assert first == again
    many = bootstrap(by_image.repeat(16, 1, 1))
    assert many[1].aacc - many[0].aacc < 0.5 * (first[1].aacc - first[0].aacc)
    assert bootstrap(by_image[:1]) is None
