"""The released distortion: ranges, order, how often each change happens, and any number of channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from s4former.augment import _color as color
from s4former.augment.photometric import Photometric, sample_distortion


@pytest.fixture
def image() -> torch.Tensor:
    picture = torch.rand(3, 12, 15, generator=torch.Generator().manual_seed(0))
    picture[:, 0, 0], picture[:, 0, 1], picture[:, 0, 2] = 0.0, 1.0, 0.5
    picture[:, 0, 3] = torch.tensor([1.0, 0.0, 0.0])
    return picture


def distorted(image: torch.Tensor, seeds: int, **ranges: Any) -> list[torch.Tensor]:
    drawn = [sample_distortion(np.random.default_rng(seed), **ranges) for seed in range(seeds)]
    return [Photometric().apply(image[None].clone(), [each])[0] for each in drawn]


def test_distortion_stays_in_range_and_repeats(image: torch.Tensor) -> None:
    for changed, again in zip(distorted(image, 200), distorted(image, 200), strict=True):
        assert torch.equal(changed, again)
        assert changed.shape == image.shape
        assert changed.dtype == torch.float32
        assert changed.min() >= -1e-6
        assert changed.max() <= 1 + 1e-6


def test_a_batch_changes_as_its_pictures_do_one_by_one(image: torch.Tensor) -> None:
    """On a GPU whole batches are changed at once, each picture as it was drawn for it."""
    drawn = [Photometric().draw(np.random.default_rng(seed)) for seed in range(40)]
    together = Photometric().apply(image.repeat(40, 1, 1, 1), drawn)
    for picture, alone in zip(together, distorted(image, 40), strict=True):
        torch.testing.assert_close(picture, alone, rtol=0, atol=1e-6)
    assert len({picture.numpy().tobytes() for picture in together}) > 30


@pytest.mark.parametrize(
    "only",
    [{"brightness": 0.1}, {"contrast": (0.5, 0.6)}, {"saturation": (0.5, 0.6)}, {"hue": 0.1}],
)
def test_each_change_happens_half_of_the_time(image: torch.Tensor, only: dict[str, Any]) -> None:
    nothing = {"brightness": 0.0, "contrast": (1.0, 1.0), "saturation": (1.0, 1.0), "hue": 0.0}
    results = distorted(image, 400, **{**nothing, **only})
    assert 150 < sum(not torch.allclose(result, image, atol=1e-5) for result in results) < 250


def test_contrast_may_come_before_or_after_the_color(image: torch.Tensor) -> None:
    # Contrast 2 clips: saturated afterwards it gives another image than saturated before.
    fixed = {"brightness": 0.0, "contrast": (2.0, 2.0), "saturation": (0.5, 0.5), "hue": 0.0}
    (before,) = color.hsv_saturation((image[None] * 2).clamp(0, 1), [0.5])
    (after,) = (color.hsv_saturation(image[None].clone(), [0.5]) * 2).clamp(0, 1)
    results = distorted(image, 60, **fixed)
    for expected in (before, after):
        assert any(torch.allclose(result, expected, atol=1e-5) for result in results)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_other_channels_than_rgb_change_in_brightness_and_contrast_alike(channels: int) -> None:
    """Every channel goes through the same line, and RGB takes the same draws."""
    image = 0.4 + 0.2 * torch.rand(channels, 6, 7, generator=torch.Generator().manual_seed(1))
    ranges, changed = {"brightness": 0.1, "contrast": (0.8, 1.2)}, 0
    grays = distorted(image[:1].expand(3, -1, -1), 40, **ranges)
    for out, rgb in zip(distorted(image, 40, **ranges), grays, strict=True):
        slope, offset = np.polyfit(image.ravel().numpy(), out.ravel().numpy(), 1)
        torch.testing.assert_close(out, image * float(slope) + float(offset), rtol=0, atol=1e-5)
        torch.testing.assert_close(rgb[:1], out[:1], rtol=0, atol=1e-6)  # gray has no color to change
        changed += not torch.equal(out, image)
    assert changed > 20
