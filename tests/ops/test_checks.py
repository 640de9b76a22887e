"""The checks of annotations that all tests rely on are really on."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

from s4former.ops import Shuffle, count_pixels, cross_entropy


def test_a_wrong_shape_is_caught():
    with pytest.raises(TypeCheckError, match="labels"):
        cross_entropy(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 5, dtype=torch.int64), 1)


def test_a_wrong_word_is_caught():
    with pytest.raises(TypeCheckError, match="normalize_by"):
        count_pixels(torch.zeros(2, 4, 4, dtype=torch.int64), "some")


def test_a_wrong_field_is_caught():
    with pytest.raises(TypeCheckError, match="permutation"):
        Shuffle(torch.zeros(1, 4), 2, 2)


@pytest.mark.parametrize("time", ["once", "again"])
def test_each_test_begins_with_checks_whatever_was_called_before(time: str):
    with pytest.raises(TypeCheckError, match="normalize_by"):
        count_pixels(torch.zeros(2, 4, 4, dtype=torch.int64), "some")
    for _ in range(100):
        count_pixels(torch.zeros(2, 4, 4, dtype=torch.int64), "labeled")
