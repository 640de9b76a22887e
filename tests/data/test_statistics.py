"""Statistics of channels against NumPy, and the range of values of many-bit files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from s4former.data import spread
from s4former.data.statistics import channel_statistics, measure_value_range


@given(st.integers(1, 6), st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5))
def test_statistics_are_those_of_all_pixels_together(channels: int, sizes: list[tuple[int, int]]) -> None:
    generator = np.random.default_rng(len(sizes))
    images = [generator.integers(0, 256, (*size, channels), dtype=np.uint8) for size in sizes]
    pixels = np.concatenate([image.reshape(-1, channels) for image in images]).astype(np.float64) / 255
    mean, std = channel_statistics(iter(images))
    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(std, np.maximum(pixels.std(axis=0), 1 / 255), rtol=0, atol=1e-12)


def test_a_channel_that_never_changes_can_still_be_normalized() -> None:
    mean, std = channel_statistics([np.full((4, 4, 1), 51, np.uint8)])
    assert mean == pytest.approx((0.2,))
    assert std == (1 / 255,)


def test_statistics_need_images_of_one_kind() -> None:
    with pytest.raises(ValueError, match="at least one"):
        channel_statistics([])
    with pytest.raises(ValueError, match="expected 3 channels in each image, got 1"):
        channel_statistics([np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 1), np.uint8)])


def test_the_range_leaves_out_hot_pixels(tmp_path: Path) -> None:
    files = []
    for number in range(3):
        array = np.random.default_rng(number).integers(200, 1201, (200, 200)).astype(np.uint16)
        array[0, :5] = 65535
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(array).save(files[-1])
    low, high = measure_value_range(files, 1)
    assert (low, high) == (int(low), int(high))
    assert 200 <= low < 205
    assert 1195 < high <= 1201


def test_8_bit_files_need_no_range(tmp_path: Path) -> None:
    Image.new("RGB", (5, 5)).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", np.array([[[0.25, np.nan, 0.5]]], np.float32))
    assert measure_value_range([tmp_path / "a.png"], 3) is None
    low, high = measure_value_range([tmp_path / "a.png", tmp_path / "b.npy"], 3)
    assert 0.25 <= low < 0.26
    assert 0.49 < high <= 0.5
    np.save(tmp_path / "flat.npy", np.full((3, 3), 7.0))
    assert measure_value_range([tmp_path / "flat.npy"], 1) == (7.0, 8.0)


@given(st.integers(0, 50), st.integers(1, 20))
def test_items_are_spread_evenly(count: int, limit: int) -> None:
    chosen = spread(range(count), limit)
    assert len(chosen) == min(count, limit)
    assert len(set(chosen)) == len(chosen)
    gaps = np.diff([*chosen, count])
    assert not chosen or (chosen[0] == 0 and gaps.max() - gaps.min() <= 1)
