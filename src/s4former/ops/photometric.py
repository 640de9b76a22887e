"""Changes of color and sharpness of a single image; geometry stays, so its labels do too."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Image = Float[Tensor, "3 h w"]  # RGB in [0, 1]
Channels = Float[Tensor, "c h w"]  # any number of channels in [0, 1]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as PIL's and OpenCV's conversion to gray


def distort(
    image: Channels,
    generator: np.random.Generator,
    brightness: float = 32 / 255,
    contrast: tuple[float, float] = (0.5, 1.5),
    saturation: tuple[float, float] = (0.5, 1.5),
    hue_degrees: float = 36.0,
) -> Channels:
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


def random_grayscale(image: Image, generator: np.random.Generator, probability: float) -> Image:
    """Take the color away with ``probability``."""
    return grayscale(image) if generator.random() < probability else image


def random_blur(
    image: Channels,
    generator: np.random.Generator,
    probability: float,
    sigma: tuple[float, float] = (0.1, 2.0),
) -> Channels:
    """Blur with ``probability``, by a standard deviation drawn from ``sigma`` (pixels)."""
    blurred, width = generator.random() < probability, generator.uniform(*sigma)
    return gaussian_blur(image, width) if blurred else image


def adjust_saturation(image: Image, factor: float) -> Image:
    """Multiply the HSV saturation, up to full saturation; hue and value stay."""
    value = image.amax(0)
    chroma = value - image.amin(0)
    # Every channel's distance from the largest one scales with the saturation.
    scale = (value / chroma.clamp_min(1e-12)).clamp_max(factor)
    return value - (value - image) * scale


def adjust_color(image: Image, saturation_factor: float, hue_degrees: float) -> Image:
    """Multiply the HSV saturation and turn the hue, in one pass through HSV."""
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


def grayscale(image: Image) -> Image:
    """Replace all channels by the luma."""
    red, green, blue = image
    luma: Tensor = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return luma.expand(3, -1, -1).contiguous()


def gaussian_blur(image: Channels, sigma: float) -> Channels:
    """Blur with a Gaussian of standard deviation ``sigma`` (pixels); the border repeats its last pixel."""
    radius = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = kernel / kernel.sum()
    padded = F.pad(image[:, None], (radius, radius, radius, radius), mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1))
    return F.conv2d(rows, kernel.view(1, 1, -1, 1))[:, 0]
