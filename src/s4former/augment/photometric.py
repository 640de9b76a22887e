"""Photometric distortion as in MMSegmentation: brightness, contrast, saturation and hue, as released."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from s4former.augment.base import Pictures, Policy


class Photometric(Policy):
    """Distorts brightness, contrast, saturation and hue, as the released pipeline does.

    Contrast comes before or after the change of saturation and hue, with equal chance. Images of other than
    three channels have neither of these: only their brightness and contrast change.
    """

    name: Literal["photometric"] = "photometric"
    """The policy: this file's name."""

    def draw(self, generator: np.random.Generator) -> Distortion:
        """Draw what happens to a picture."""
        return sample_distortion(generator)

    def apply(self, pictures: Pictures, drawn: Sequence[Distortion]) -> Pictures:
        """Return the distorted pictures."""
        from s4former.augment import _color as color

        first = [each.contrast if each.contrast_first else None for each in drawn]
        last = [None if each.contrast_first else each.contrast for each in drawn]
        pictures = color.change(pictures, color.shift, [each.brightness for each in drawn])
        pictures = color.change(pictures, color.scale, first)
        if pictures.shape[1] == 3:
            saturations = [each.saturation for each in drawn]
            pictures = color.change(pictures, color.hsv_saturation, saturations)
            pictures = color.change(pictures, color.hue, [each.hue for each in drawn])
        return color.change(pictures, color.scale, last)


@dataclass(frozen=True)
class Distortion:
    """What was drawn for one picture; None where nothing is to happen.

    Attributes:
        brightness: Shift of all channels.
        contrast: Factor on all channels.
        contrast_first: Whether that precedes saturation and hue.
        saturation: Factor on HSV saturation.
        hue: Turn of the hue as a share of the color circle.
    """

    brightness: float | None
    contrast: float | None
    contrast_first: bool
    saturation: float | None
    hue: float | None


def sample_distortion(
    generator: np.random.Generator,
    brightness: float = 32 / 255,
    contrast: tuple[float, float] = (0.5, 1.5),
    saturation: tuple[float, float] = (0.5, 1.5),
    hue: float = 0.1,
) -> Distortion:
    """Draw changes of brightness, contrast, saturation and hue, each with probability one half.

    Args:
        generator: Where the random numbers come from; always the same count of them.
        brightness: Largest shift, either way, of all channels.
        contrast: Range of the factor on all channels.
        saturation: Range of the factor on HSV saturation.
        hue: Largest turn of the hue, either way, as a share of the color circle.

    Source:
        mmseg's ``PhotoMetricDistortion`` with its defaults. Its ``hue_delta=18`` counts OpenCV's 8-bit hues,
        of which 180 make the circle. **We differ:** no rounding to 8 bits between the changes, and the hue
        turns by any angle, not by whole steps.
    """
    brighter, contrasted, saturated, turned, contrast_first = (generator.random(5) < 0.5).tolist()
    shift = generator.uniform(-brightness, brightness)
    factor = generator.uniform(*contrast)
    saturation_factor = generator.uniform(*saturation)
    turn = generator.uniform(-hue, hue)
    return Distortion(
        brightness=shift if brighter else None,
        contrast=factor if contrasted else None,
        contrast_first=contrast_first,
        saturation=saturation_factor if saturated else None,
        hue=turn if turned else None,
    )
