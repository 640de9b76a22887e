"""Golden ``cutmix``: mixing is exact, boxes obey the released rule and have its distribution."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from golden_data import cases, load_arrays

from s4former.ops import mix, sample_box


def boxes_by_size(arrays):
    """Yield ``(height, width, boxes)`` of the arrays ``boxes_64x64`` and ``boxes_h48_w80``."""
    found = False
    for key, boxes in arrays.items():
        if match := re.fullmatch(r"boxes_(?:h(\d+)_w(\d+)|(\d+)x(\d+))", key):
            found = True
            height, width = (int(side) for side in match.groups() if side)
            yield height, width, boxes.numpy()
    assert found, "the file holds no boxes"


def drawn_boxes(height, width, count):
    generator = np.random.default_rng(0)
    return np.array([sample_box(generator, height, width) for _ in range(count)])


def largest_gap(first, second):
    """Return the Kolmogorov-Smirnov distance of two samples of whole numbers."""
    values = np.arange(min(first.min(), second.min()), max(first.max(), second.max()) + 1)
    shares = [(sample[:, None] <= values).mean(axis=0) for sample in (first, second)]
    return np.abs(shares[0] - shares[1]).max()


def test_mix_takes_the_box_from_the_next_image(golden):
    for case in cases(load_arrays(golden("cutmix.npz")), "mask").values():
        keep = case["mask"].bool()
        assert torch.equal(mix(case["image"], keep), case["image_mixed"])
        assert torch.equal(mix(case["label"], keep), case["label_mixed"])


def test_boxes_are_possible_for_the_released_rule(golden):
    for height, width, released in boxes_by_size(load_arrays(golden("cutmix.npz"))):
        for x0, y0, x1, y1 in (*released, *drawn_boxes(height, width, len(released))):
            assert width // 2 + 1 <= x1 - x0 <= width - 1
            assert y1 - y0 == round(height * width / 2 / (x1 - x0))
            assert x0 >= 0
            assert y0 >= 0
            assert x1 <= width
            assert y1 <= height


@pytest.mark.parametrize("quantity", ["x0", "y0", "width", "height"])
def test_boxes_have_the_released_distribution(golden, quantity):
    def measure(boxes):
        x0, y0, x1, y1 = boxes.T
        return {"x0": x0, "y0": y0, "width": x1 - x0, "height": y1 - y0}[quantity]

    for height, width, released in boxes_by_size(load_arrays(golden("cutmix.npz"))):
        drawn = drawn_boxes(height, width, 10 * len(released))
        # Samples of one distribution pass this in all but one of 20,000 cases.
        limit = 2.3 * np.sqrt(1 / len(released) + 1 / len(drawn))
        assert largest_gap(measure(released), measure(drawn)) < limit
