"""How images of any number of channels, and their labels, are shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer, UInt8

from s4former.types import IGNORE

Color = tuple[int, int, int]
UNKNOWN: Color = (224, 224, 224)
"""What nobody knows, or nobody learns, is shown as: light gray."""


def rgb_view(image: UInt8[np.ndarray, "h w c"], channels: tuple[int, int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Return the channels of an image that stand for red, green and blue."""
    return image if image.shape[2] == 3 and channels == (0, 1, 2) else image[..., list(channels)]


def colorize(mask: Integer[np.ndarray, "h w"], colors: Sequence[Color]) -> UInt8[np.ndarray, "h w 3"]:
    """Turn class indices into a picture; IGNORE is light gray.

    Raises:
        ValueError: If the mask holds an index without a color.
    """
    wrong = set(np.unique(mask).tolist()) - {*range(len(colors)), IGNORE}
    if wrong:
        raise ValueError(
            f"masks hold 0 to {len(colors) - 1} for {len(colors)} colors, or {IGNORE}; found {sorted(wrong)}"
        )
    table = np.full((256, 3), UNKNOWN, dtype=np.uint8)
    table[: len(colors)] = colors
    picture: UInt8[np.ndarray, "h w 3"] = table[mask]
    return picture
