"""Photometric distortion as in MMSegmentation: brightness, contrast, saturation and hue, as released."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

from s4former.augment.base import Picture, Policy, Tensor

Image = Float[Tensor, "3 h w"]  # RGB in [0, 1]


class Photometric(Policy):
    """Distorts brightness, contrast, saturation and hue, as the released pipeline does."""

    name: Literal["photometric"] = "photometric"
    """The policy: this file's name."""

    def __call__(self, picture: Picture, generator: np.random.Generator) -> Picture:
        """Return the distorted picture."""
        return distort(picture, generator)


def distort(
    image: Picture,
    generator: np.random.Generator,
    brightness: float = 32 / 255,
    contrast: tuple[float, float] = (0.5, 1.5),
    saturation: tuple[float, float] = (0.5, 1.5),
    hue_degrees: float = 36.0,
) -> Picture:
    """Change brightness, contrast, saturation and hue, each with probability one half.

    Contrast comes before or after the change of saturation and hue, with equal chance. Images of other than
    three channels have neither of these: only their brightness and contrast change.

    Args:
        image: RGB or other channels, in [0, 1].
        generator: Where the random numbers come from; always the same count of them.
        brightness: Largest shift, either way, of all channels.
        contrast: Range of the factor on all channels.
        saturation: Range of the factor on HSV saturation.
        hue_degrees: Largest turn of the hue, either way, on the color circle of 360 degrees.

    Source:
        mmseg's ``PhotoMetricDistortion`` with its defaults. Its ``hue_delta=18`` counts OpenCV's 8-bit hues,
        of which 180 make the circle: 36 degrees. **We differ:** no rounding to 8 bits between the
        changes, and the hue turns by any angle, not by whole steps.
    """
    brighter, contrasted, saturated, turned, contrast_first = generator.random(5) < 0.5
    shift = generator.uniform(-brightness, brightness)
    factor = generator.uniform(*contrast)
    saturation_factor = generator.uniform(*saturation)
    degrees = generator.uniform(-hue_degrees, hue_degrees)
    if brighter:
        image = (image + shift).clamp_(0, 1)
    if contrasted and contrast_first:
        image = (image * factor).clamp_(0, 1)
    if image.shape[0] != 3:
        saturated = turned = False
    if turned:
        image = adjust_color(image, saturation_factor if saturated else 1.0, degrees)
    elif saturated:
        image = adjust_saturation(image, saturation_factor)
    if contrasted and not contrast_first:
        image = (image * factor).clamp_(0, 1)
    return image


def adjust_saturation(image: Image, factor: float) -> Image:
    """Multiply the HSV saturation, up to full saturation; hue and value stay."""
    value = image.amax(0)
    chroma = value - image.amin(0)
    # Every channel's distance from the largest one scales with the saturation.
    scale = (value / chroma.clamp_min(1e-12)).clamp_max(factor)
    return value - (value - image) * scale


def adjust_color(image: Image, saturation_factor: float, hue_degrees: float) -> Image:
    """Multiply the HSV saturation and turn the hue, in one pass through HSV."""
    import torch

    red, green, blue = image
    value = image.amax(0)
    chroma = value - image.amin(0)
    safe = chroma.clamp_min(1e-12)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = hue + hue_degrees / 60
    chroma = torch.minimum(chroma * saturation_factor, value)
    # A channel lies below the value by the chroma times a trapezoid of the hue's distance from that channel.
    sixths = (hue + torch.tensor([5.0, 3.0, 1.0])[:, None, None]).remainder_(6)
    return value - chroma * torch.minimum(sixths, 4 - sixths).clamp_(0, 1)
