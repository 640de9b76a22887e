"""Color jitter, grayscale and blur: how often, how strong, and on any number of channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from s4former.augment import POLICIES, Jitter, Views

STILL = {"probability": 0, "grayscale_probability": 0, "blur_probability": 0}
PICTURE = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))


def changed(policy: Jitter, seeds: int = 300, picture: torch.Tensor = PICTURE) -> list[torch.Tensor]:
    drawn = [policy.draw(np.random.default_rng(seed)) for seed in range(seeds)]
    return [policy.apply(picture[None].clone(), [each])[0] for each in drawn]


@pytest.mark.parametrize("field", STILL)
def test_each_change_follows_its_probability(field: str) -> None:
    results = changed(Jitter(**(STILL | {field: 0.3})))
    assert 60 < sum(not torch.equal(result, PICTURE) for result in results) < 120
    assert all(torch.equal(result, PICTURE) for result in changed(Jitter(**STILL), 20))


def test_results_are_pictures_and_repeat() -> None:
    for result, again in zip(changed(Jitter(), 60), changed(Jitter(), 60), strict=True):
        assert torch.equal(result, again)
        assert result.shape == PICTURE.shape
        assert result.min() >= -1e-6
        assert result.max() <= 1 + 1e-6


def test_a_batch_changes_as_its_pictures_do_one_by_one() -> None:
    """On a GPU whole batches are changed at once, each picture as it was drawn for it."""
    policy = Jitter(grayscale_probability=0.3)
    drawn = [policy.draw(np.random.default_rng(seed)) for seed in range(40)]
    together = policy.apply(PICTURE.repeat(40, 1, 1, 1), drawn)
    for picture, alone in zip(together, changed(policy, 40), strict=True):
        torch.testing.assert_close(picture, alone, rtol=0, atol=3e-6)


@pytest.mark.parametrize("field", ["brightness", "contrast", "saturation", "hue"])
def test_each_strength_matters(field: str) -> None:
    nothing = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0)
    alone = Jitter(**(STILL | nothing | {"probability": 1, field: 0.4}))
    moved = [float((result - PICTURE).abs().max()) for result in changed(alone, 20)]
    assert min(moved) > 1e-3


def test_gray_is_the_luma() -> None:
    (gray,) = changed(Jitter(**(STILL | {"grayscale_probability": 1})), 1)
    luma = torch.einsum("c,chw->hw", torch.tensor([0.2989, 0.587, 0.114]), PICTURE)
    torch.testing.assert_close(gray, luma.expand(3, -1, -1))


@pytest.mark.parametrize("size", [(2, 2), (3, 9), (41, 41)])
def test_blur_spreads_and_takes_small_pictures(size: tuple[int, int]) -> None:
    plain = torch.full((3, *size), 0.3)
    (blurred,) = changed(Jitter(**(STILL | {"blur_probability": 1, "blur_range": (2, 2)})), 1, plain)
    torch.testing.assert_close(blurred, plain)
    if size == (41, 41):
        point = torch.zeros(1, *size)
        point[:, 20, 20] = 1
        (spread,) = changed(Jitter(**(STILL | {"blur_probability": 1, "blur_range": (2, 2)})), 1, point)
        offsets = torch.arange(41.0) - 20
        assert (spread[0].sum(0) * offsets**2).sum().sqrt() == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_channels_than_rgb_change_in_brightness_alone(channels: int) -> None:
    picture = torch.full((channels, 8, 8), 0.2)
    for result in changed(Jitter(**(STILL | {"probability": 1, "grayscale_probability": 1})), 20, picture):
        assert result.unique().numel() == 1
        assert 0.1 <= float(result[0, 0, 0]) <= 0.3
    with pytest.raises(ValueError, match="grayscale_probability=0"):
        Views(strong=("jitter",)).check(channels)
    Views().check(channels)


def test_policies_are_listed_and_named() -> None:
    assert POLICIES.names() == ["identity", "jitter", "photometric"]
    assert Views.model_validate({"strong": ["jitter", {"name": "jitter", "hue": 0}]}).strong[1].hue == 0
    with pytest.raises(ValueError, match="there is no augmentation policy 'jiter'"):
        Views(weak="jiter")
