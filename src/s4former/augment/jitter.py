"""Color jitter, grayscale and blur: the strong view of FixMatch-like methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from s4former.augment.base import Pictures, Policy

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Jitter(Policy):
    """Jitters color in random order, then takes it away, then blurs: each by chance.

    Source:
        The strong views of UniMatch V2 (golden ``augment``): the same changes, ranges and probabilities. **We
        differ:** on float images, where they use PIL's functions on 8-bit ones, and by a true Gaussian.
    """

    name: Literal["jitter"] = "jitter"
    """The policy: this file's name."""
    probability: Probability = 0.8
    """Chance of a color jitter."""
    brightness: float = Field(0.5, ge=0, le=1)
    """The factor of brightness is drawn from 1 minus to 1 plus this."""
    contrast: float = Field(0.5, ge=0, le=1)
    """The factor of contrast is drawn from 1 minus to 1 plus this."""
    saturation: float = Field(0.5, ge=0, le=1)
    """The factor of saturation is drawn from 1 minus to 1 plus this."""
    hue: float = Field(0.25, ge=0, le=0.5)
    """Largest turn of the hue either way, as a share of the color circle."""
    grayscale_probability: Probability = 0.2
    """Chance to lose the color."""
    blur_probability: Probability = 0.5
    """Chance of a Gaussian blur."""
    blur_range: tuple[Positive, Positive] = (0.1, 2.0)
    """Smallest and largest standard deviation of the blur, in pixels."""

    def draw(self, generator: np.random.Generator) -> Changes:
        """Draw what happens to a picture."""
        jittered, gray, blurred = generator.random(3) < (
            self.probability,
            self.grayscale_probability,
            self.blur_probability,
        )
        spans = np.array([self.brightness, self.contrast, self.saturation])
        factors = generator.uniform(1 - spans, 1 + spans).tolist()
        hue, sigma = generator.uniform(-self.hue, self.hue), generator.uniform(*self.blur_range)
        order = generator.permutation(4).tolist() if jittered else []
        return Changes(order, (*factors, hue), bool(gray), sigma if blurred else None)

    def apply(self, pictures: Pictures, drawn: Sequence[Changes]) -> Pictures:
        """Return the changed pictures; those of other than three channels change in brightness and blur."""
        from s4former.augment import _color as color

        in_color = pictures.shape[1] == 3
        jitters = (color.scale, color.contrast, color.saturation, color.hue) if in_color else (color.scale,)
        for place in range(4):
            for number, jitter in enumerate(jitters):
                amounts = [each.factors[number] if each.at(place) == number else None for each in drawn]
                pictures = color.change(pictures, jitter, amounts)
        if in_color:
            gray = [1.0 if each.gray else None for each in drawn]
            pictures = color.change(pictures, color.grayscale, gray)
        return color.change(pictures, color.blur, [each.sigma for each in drawn])

    def check(self, channels: int) -> None:
        """Refuse a grayscale of images that are not RGB."""
        if channels != 3 and self.grayscale_probability > 0:
            raise ValueError(
                f"grayscale_probability={self.grayscale_probability} is for RGB images, and channels="
                f"{channels}; set grayscale_probability=0"
            )


@dataclass(frozen=True)
class Changes:
    """What was drawn for one picture, in the order in which it is applied.

    Attributes:
        order: Which of ``factors`` are applied, in which order; none without a color jitter.
        factors: Of brightness, contrast and saturation, and the turn of the hue as a share of the circle.
        gray: Whether the color is lost.
        sigma: Standard deviation of the blur in pixels; None without one.
    """

    order: Sequence[int]
    factors: Sequence[float]
    gray: bool
    sigma: float | None

    def at(self, place: int) -> int | None:
        """Return which factor is applied at a place of the order; None without a color jitter."""
        return self.order[place] if self.order else None
