"""Changes of color and sharpness: against the arithmetic of others, and each picture by its own amount."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import functional as F

from s4former.augment import _color as color
from s4former.augment import column

CHANGES = {
    "shift": (-0.3, 0.4),
    "scale": (0.5, 1.6),
    "contrast": (0.4, 1.7),
    "saturation": (0.3, 1.6),
    "hsv_saturation": (0.5, 1.5),
    "hue": (-0.25, 0.4),
    "grayscale": (1.0, 1.0),
    "blur": (0.3, 2.0),
}


def pictures(count: int = 4, size: tuple[int, int] = (9, 12), seed: int = 0) -> torch.Tensor:
    made = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))
    made[:, :, 0, 0], made[:, :, 0, 1], made[:, :, 0, 2] = 0.0, 1.0, 0.5
    made[:, :, 0, 3] = torch.tensor([1.0, 0.0, 0.0])
    return made


@given(st.floats(0, 3), st.floats(-0.5, 0.5), st.integers(0, 2**32))
def test_hsv_equals_that_of_the_standard_library(factor: float, turn: float, seed: int) -> None:
    given = pictures(1, (2, 4), seed)
    expected = torch.empty_like(given)
    for y, x in np.ndindex(2, 4):
        hue, saturation, value = colorsys.rgb_to_hsv(*given[0, :, y, x].tolist())
        rgb = colorsys.hsv_to_rgb((hue + turn) % 1, min(1.0, saturation * factor), value)
        expected[0, :, y, x] = torch.tensor(rgb)
    changed = color.hue(color.hsv_saturation(given, [factor]), [turn])
    torch.testing.assert_close(changed, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("scale", F.adjust_brightness),
        ("contrast", F.adjust_contrast),
        ("saturation", F.adjust_saturation),
        ("hue", F.adjust_hue),
        ("grayscale", lambda picture, _: F.rgb_to_grayscale(picture, 3)),
        ("blur", lambda picture, sigma: F.gaussian_blur(picture, 2 * int(np.ceil(3 * sigma)) + 1, sigma)),
    ],
)
def test_changes_equal_those_of_torchvision(ours: str, theirs) -> None:
    for amount in np.linspace(*CHANGES[ours], 5).tolist():
        given = pictures(1)
        (expected,) = (theirs(picture, amount) for picture in given)
        (changed,) = getattr(color, ours)(given.clone(), [amount])
        torch.testing.assert_close(changed, expected, rtol=0, atol=2e-6)
        assert ours == "grayscale" or not torch.allclose(changed, given[0], atol=1e-4)


@pytest.mark.parametrize("name", CHANGES)
def test_a_batch_changes_as_its_pictures_do_one_by_one(name: str) -> None:
    """Each by its own amount, and those without one not at all."""
    amounts = [CHANGES[name][0], None, CHANGES[name][1], sum(CHANGES[name]) / 3]
    given, how = pictures(), getattr(color, name)
    together = color.change(given.clone(), how, amounts)
    for picture, amount, changed in zip(given, amounts, together, strict=True):
        alone = picture if amount is None else how(picture[None].clone(), [amount])[0]
        torch.testing.assert_close(changed, alone, rtol=0, atol=1e-6)
    assert torch.equal(together[1], given[1])
    assert not torch.equal(together[0], given[0])


def test_nobody_is_changed_without_an_amount() -> None:
    given = pictures()
    assert color.change(given, color.blur, [None] * 4) is given


def test_a_column_stands_beside_pictures() -> None:
    given = torch.ones(2, 5, 3, 4)
    assert (column([1, 0.5], given) * given).mean((1, 2, 3)).tolist() == [1, 0.5]
