"""PASA's bias: prefix tokens, both signs, ties."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from s4former.ops import adaptive_bias, uncertain_share

UNSURE = torch.tensor([[[0.25, 1.0, 0.5], [0.0, 0.75, 0.125]]])
SILENT = [0, 3, 5]


@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_prefix_tokens_attract_nobody_and_are_pulled(prefix):
    bias = adaptive_bias(UNSURE, 5.0, prefix).matrix()
    assert bias.shape == (1, 6 + prefix, 6 + prefix)
    assert bias[:, :, :prefix].eq(0).all()
    for row in range(6 + prefix):
        expected = torch.zeros(6) if row - prefix in SILENT else 5 * UNSURE.flatten()
        assert torch.equal(bias[0, row, prefix:], expected)


def test_the_other_sign_favors_confident_keys_but_silences_the_same_rows():
    bias = adaptive_bias(UNSURE, 5.0, 0, bias_keys="confident").matrix()
    assert torch.equal(bias[0, 1], 5 * (1 - UNSURE).flatten())
    assert bias[0].eq(0).all(1).nonzero().flatten().tolist() == SILENT


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
def test_half_of_the_patches_is_silent_whatever_the_ties(rows, cols, seed):
    random = torch.Generator().manual_seed(seed)
    unsure = torch.randint(1, 4, (2, rows, cols), generator=random) / 4
    silent = adaptive_bias(unsure, 1.0, 0).matrix().eq(0).all(2)
    assert silent.sum(1).eq(rows * cols // 2).all()
    for image, rows_silent in zip(unsure.flatten(1), silent, strict=True):
        order = sorted(range(len(image)), key=lambda patch: (image[patch].item(), patch))
        assert rows_silent.nonzero().flatten().tolist() == sorted(order[: len(image) // 2])


def test_half_precision_gives_a_float32_bias():
    assert adaptive_bias(UNSURE.bfloat16(), 5.0, 1).matrix().dtype == torch.float32


def test_uncertain_share_of_a_rectangle():
    confident = torch.zeros(1, 4, 6, dtype=torch.bool)
    confident[0, :2, :2] = True
    confident[0, 2, 5] = True
    assert torch.equal(uncertain_share(~confident, 2), torch.tensor([[[0.0, 1.0, 1.0], [1.0, 1.0, 0.75]]]))


def test_a_mask_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"multiples of the patch \(16\), got 32 x 40"):
        uncertain_share(torch.zeros(1, 32, 40, dtype=torch.bool), 16)
