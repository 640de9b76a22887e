"""How images of any number of channels are shown."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8


def rgb_view(image: UInt8[np.ndarray, "h w c"], channels: tuple[int, int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Return the channels of an image that stand for red, green and blue."""
    return image if image.shape[2] == 3 and channels == (0, 1, 2) else image[..., list(channels)]
