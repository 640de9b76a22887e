"""PatchShuffle: inverse, keyed draws, and rectangles."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from s4former.ops import Shuffle, blocks_for, restore_blocks, sample_shuffle, shuffle_blocks
from s4former.types import DrawKey

sizes = st.integers(1, 4)


@given(st.integers(0, 2**32), sizes, sizes, sizes, sizes, sizes)
def test_restoring_undoes_shuffling(seed, count, rows, cols, block_height, block_width):
    shuffle = sample_shuffle(DrawKey(seed, 3), "shuffle", range(count), rows, cols, probability=1.0)
    images = torch.arange(count * 2 * rows * block_height * cols * block_width).view(
        count, 2, rows * block_height, cols * block_width
    )
    assert torch.equal(restore_blocks(shuffle_blocks(images, shuffle), shuffle), images)


def test_block_k_is_block_permutation_k():
    images = torch.tensor([[[[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]]]])  # 2 x 3 blocks of 1 x 2 pixels
    permutation = torch.tensor([[5, 0, 3, 2, 1, 4]])
    shuffled = shuffle_blocks(images, Shuffle(permutation, 2, 3))
    assert torch.equal(shuffled[..., ::2].flatten(), permutation.flatten())


def test_each_image_has_its_own_draw():
    shuffle = sample_shuffle(DrawKey(0, 0), "shuffle", range(400), 4, 4, probability=0.5)
    identity = torch.arange(16)
    untouched = (shuffle.permutation == identity).all(1)
    assert 150 < untouched.sum() < 250
    assert len(shuffle.permutation.unique(dim=0)) == (~untouched).sum() + 1
    assert (shuffle.permutation.sort(dim=1).values == identity).all()


def test_a_draw_depends_on_its_names_only():
    first = sample_shuffle(DrawKey(0, 5), "shuffle", range(4), 4, 4, 1.0).permutation
    assert torch.equal(first[:2], sample_shuffle(DrawKey(0, 5), "shuffle", range(2), 4, 4, 1.0).permutation)
    for key, stream in ((DrawKey(1, 5), "shuffle"), (DrawKey(0, 6), "shuffle"), (DrawKey(0, 5), "other")):
        assert not torch.equal(first, sample_shuffle(key, stream, range(4), 4, 4, 1.0).permutation)


def test_zero_probability_is_the_identity():
    shuffle = sample_shuffle(DrawKey(0, 0), "shuffle", range(8), 3, 3, probability=0.0)
    assert (shuffle.permutation == torch.arange(9)).all()


def test_blocks_of_a_rectangle():
    assert blocks_for(64, 96, patch=16, blocks=2) == (2, 3)


@pytest.mark.parametrize(("height", "width"), [(64, 90), (100, 64), (16, 64)])
def test_sides_that_do_not_divide_are_refused_with_a_size_that_does(height, width):
    with pytest.raises(ValueError, match=rf"multiples of 32, got {height} x {width}.*(32|64|96) x (64|96)"):
        blocks_for(height, width, patch=16, blocks=2)


def test_grids_that_do_not_divide_are_refused():
    shuffle = sample_shuffle(DrawKey(0, 0), "shuffle", range(1), 2, 2, 1.0)
    with pytest.raises(ValueError, match="5 x 4 does not divide into 2 x 2"):
        restore_blocks(torch.zeros(1, 3, 5, 4), shuffle)


def test_a_permutation_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 x 3 blocks need permutations of 6 numbers, got 5"):
        Shuffle(torch.arange(5)[None], 2, 3)
