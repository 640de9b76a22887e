"""CutMix: boxes of any size, keyed decisions, and what is mixed with what."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from s4former.ops import cutmix_masks, mix, sample_box, sample_small_box
from s4former.types import DrawKey


@given(st.integers(0, 2**32), st.integers(1, 90), st.integers(3, 90))
def test_a_box_lies_inside_and_covers_half(seed, height, width):
    x0, y0, x1, y1 = sample_box(np.random.default_rng(seed), height, width)
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    assert width < 2 * (x1 - x0)
    # The height is rounded to whole pixels, so the area is right to half a row of the box.
    assert abs((x1 - x0) * (y1 - y0) - height * width / 2) <= (x1 - x0) / 2


@given(st.integers(0, 2**32), st.integers(1, 90), st.integers(1, 90))
def test_a_small_box_lies_inside_and_covers_at_most_two_fifths(seed, height, width):
    x0, y0, x1, y1 = sample_small_box(np.random.default_rng(seed), height, width)
    assert 0 <= x0 <= x1 <= width
    assert 0 <= y0 <= y1 <= height
    # Both sides are cut down to whole pixels.
    assert (x1 - x0) * (y1 - y0) <= 0.4 * height * width
    assert (x1 - x0 + 1) * (y1 - y0 + 1) > 0.02 * height * width


@pytest.mark.parametrize(("height", "width"), [(4, 2), (0, 8)])
def test_an_image_too_small_for_a_box_is_refused(height, width):
    with pytest.raises(ValueError, match=f"got {height} x {width}"):
        sample_box(np.random.default_rng(0), height, width)


def boxed(masks):
    return (~masks).flatten(1).any(1)


def test_each_image_decides_for_itself():
    masks = cutmix_masks(DrawKey(0, 0), "cutmix", range(400), 8, 8, 0.5, per_batch=False)
    assert 150 < boxed(masks).sum() < 250


def test_one_decision_holds_for_the_batch():
    steps = [
        boxed(cutmix_masks(DrawKey(0, step), "cutmix", range(3), 8, 8, 0.5, per_batch=True))
        for step in range(200)
    ]
    assert all(step.all() or not step.any() for step in steps)
    assert 70 < sum(bool(step.all()) for step in steps) < 130


def test_boxes_of_a_batch_differ():
    masks = cutmix_masks(DrawKey(0, 0), "cutmix", range(6), 64, 64, 1.0, per_batch=True)
    assert len(masks.flatten(1).unique(dim=0)) == 6


def test_a_draw_depends_on_its_names_only():
    def draw(seed, step, stream, count=4):
        return cutmix_masks(DrawKey(seed, step), stream, range(count), 32, 32, 1.0, per_batch=False)

    first = draw(0, 5, "cutmix")
    assert torch.equal(first[:2], draw(0, 5, "cutmix", count=2))
    for other in (draw(1, 5, "cutmix"), draw(0, 6, "cutmix"), draw(0, 5, "other")):
        assert not torch.equal(first, other)


def test_the_partner_is_the_next_image_for_labels_and_images_alike():
    labels = torch.arange(3)[:, None, None].expand(3, 4, 4).contiguous()
    keep = cutmix_masks(DrawKey(0, 0), "cutmix", range(3), 4, 4, 1.0, per_batch=False)
    mixed = mix(labels, keep)
    for index in range(3):
        assert mixed[index][keep[index]].eq(index).all()
        assert mixed[index][~keep[index]].eq((index + 1) % 3).all()
    images = labels[:, None].expand(3, 3, 4, 4).float()
    assert torch.equal(mix(images, keep), mixed[:, None].expand(3, 3, 4, 4).float())


def test_the_partner_in_the_reversed_batch():
    labels = torch.arange(3)[:, None, None].expand(3, 4, 4).contiguous()
    nothing_kept = torch.zeros(3, 4, 4, dtype=torch.bool)
    assert mix(labels, nothing_kept, "reversed")[:, 0, 0].tolist() == [2, 1, 0]


def test_a_batch_of_one_is_left_as_it_is():
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(
        mix(image, cutmix_masks(DrawKey(0, 0), "cutmix", range(1), 8, 8, 1.0, per_batch=True)), image
    )
