"""Color changes against the standard library's HSV, ranges, and how often each happens."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from s4former.augment import photometric


@pytest.fixture
def image():
    picture = torch.rand(3, 12, 15, generator=torch.Generator().manual_seed(0))
    picture[:, 0, 0], picture[:, 0, 1], picture[:, 0, 2] = 0.0, 1.0, 0.5
    picture[:, 0, 3] = torch.tensor([1.0, 0.0, 0.0])
    return picture


def by_colorsys(image, factor, degrees):
    changed = torch.empty_like(image)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            hue, saturation, value = colorsys.rgb_to_hsv(*image[:, y, x].tolist())
            rgb = colorsys.hsv_to_rgb((hue + degrees / 360) % 1, min(1.0, saturation * factor), value)
            changed[:, y, x] = torch.tensor(rgb)
    return changed


@given(st.floats(0, 3), st.floats(-180, 180), st.integers(0, 2**32))
def test_color_equals_the_hsv_of_the_standard_library(factor, degrees, seed):
    picture = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(seed))
    picture[:, 0, 0], picture[:, 0, 1] = 0.0, 0.5
    expected = by_colorsys(picture, factor, degrees)
    torch.testing.assert_close(
        photometric.adjust_color(picture, factor, degrees), expected, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.5, 9.0])
def test_saturation_alone_is_the_shorter_way_to_the_same_color(image, factor):
    expected = by_colorsys(image, factor, 0.0)
    torch.testing.assert_close(photometric.adjust_saturation(image, factor), expected, rtol=0, atol=1e-5)


def test_distortion_stays_in_range_and_leaves_its_input(image):
    before = image.clone()
    for seed in range(200):
        changed = photometric.distort(image, np.random.default_rng(seed))
        assert changed.shape == image.shape
        assert changed.dtype == torch.float32
        assert changed.min() >= -1e-6
        assert changed.max() <= 1 + 1e-6
    assert torch.equal(image, before)


def test_the_same_generator_gives_the_same_image(image):
    first, second, other = (photometric.distort(image, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "only",
    [
        {"brightness": 0.1},
        {"contrast": (0.5, 0.6)},
        {"saturation": (0.5, 0.6)},
        {"hue_degrees": 36.0},
    ],
)
def test_each_change_happens_half_of_the_time(image, only):
    nothing = {"brightness": 0.0, "contrast": (1.0, 1.0), "saturation": (1.0, 1.0), "hue_degrees": 0.0}
    changed = [
        not torch.allclose(
            photometric.distort(image, np.random.default_rng(seed), **{**nothing, **only}), image, atol=1e-5
        )
        for seed in range(400)
    ]
    assert 150 < sum(changed) < 250


def test_contrast_may_come_before_or_after_the_color(image):
    # Contrast 2 clips: saturated afterwards it gives another image than saturated before.
    fixed = {"brightness": 0.0, "contrast": (2.0, 2.0), "saturation": (0.5, 0.5), "hue_degrees": 0.0}
    before = photometric.adjust_saturation((image * 2).clamp(0, 1), 0.5)
    after = (photometric.adjust_saturation(image, 0.5) * 2).clamp(0, 1)
    results = [photometric.distort(image, np.random.default_rng(seed), **fixed) for seed in range(60)]
    for expected in (before, after):
        assert any(torch.allclose(result, expected, atol=1e-5) for result in results)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_other_channels_than_rgb_change_in_brightness_and_contrast_alike(channels):
    """Every channel goes through the same line, and RGB takes the same draws."""
    image = 0.4 + 0.2 * torch.rand(channels, 6, 7, generator=torch.Generator().manual_seed(1))
    changed = 0
    for seed in range(40):
        out = photometric.distort(image, np.random.default_rng(seed), 0.1, (0.8, 1.2))
        slope, offset = np.polyfit(image.ravel().numpy(), out.ravel().numpy(), 1)
        torch.testing.assert_close(out, image * float(slope) + float(offset), rtol=0, atol=1e-5)
        rgb = photometric.distort(image[:1].expand(3, -1, -1), np.random.default_rng(seed), 0.1, (0.8, 1.2))
        torch.testing.assert_close(rgb[:1], out[:1], rtol=0, atol=1e-6)  # gray has no color to change
        changed += not torch.equal(out, image)
    assert changed > 20
