"""CutMix: a box of every image is replaced by the same box of the next image of the global batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from s4former import collectives
from s4former.config.errors import ValueMistake
from s4former.ops.randomness import keyed_generator
from s4former.types import DrawKey


def sample_box(generator: np.random.Generator, height: int, width: int) -> tuple[int, int, int, int]:
    """Draw a box that covers half of the image, and more than half of its width.

    The width is uniform over all integers between half and the whole image width, both exclusive; the height
    follows from the area; the place is uniform.

    Args:
        generator: Where the three numbers come from.
        height: Image height in pixels, at least 1.
        width: Image width in pixels, at least 3.

    Returns:
        ``x0, y0, x1, y1`` in pixels, the last two exclusive.

    Raises:
        ValueError: If the image is too small to hold such a box.

    Source:
        The box rule of S4Former's released CutMix, for every image size (golden ``cutmix``: same range and
        distribution, not the same draws).
    """
    if height < 1 or width < 3:
        raise ValueMistake(
            f"CutMix needs an image of at least 1 x 3 pixels (height x width), got {height} x {width}"
        )
    box_width = int(generator.integers(width // 2 + 1, width))
    box_height = round(height * width / 2 / box_width)
    x0 = int(generator.integers(0, width - box_width + 1))
    y0 = int(generator.integers(0, height - box_height + 1))
    return x0, y0, x0 + box_width, y0 + box_height


def cutmix_masks(
    key: DrawKey,
    stream: str,
    indices: Sequence[int],
    height: int,
    width: int,
    probability: float,
    per_batch: bool,
) -> Bool[Tensor, "b h w"]:
    """Draw which pixels of a batch stay their own: False inside the box that comes from the next image.

    Args:
        key: Names the draws, together with ``stream`` and the image's number in the global batch.
        stream: What is drawn, as in ``"cutmix"``.
        indices: Numbers of the images in the global batch.
        height: Image height in pixels.
        width: Image width in pixels.
        probability: Chance of an image to get a box.
        per_batch: Whether one decision holds for the whole batch (as released) or each image has its own.
            The boxes differ between images in either case.
    """
    keep = torch.ones(len(indices), height, width, dtype=torch.bool)
    whole_batch = keyed_generator(key.seed, f"{stream}/batch", key.step).random()
    for place, index in enumerate(indices):
        generator = keyed_generator(key.seed, stream, key.step, index)
        own = generator.random()
        if (whole_batch if per_batch else own) < probability:
            x0, y0, x1, y1 = sample_box(generator, height, width)
            keep[place, y0:y1, x0:x1] = False
    return keep


def mix(own: Shaped[Tensor, "b *c h w"], keep: Bool[Tensor, "b h w"]) -> Shaped[Tensor, "b *c h w"]:
    """Take a batch where ``keep`` is True, and the next image (the first one after the last) elsewhere.

    The next image is that of the global batch, wherever it is; no gradient flows to another process.
    Works alike for images, logits ("b c h w") and label maps ("b h w"), so that they stay aligned.
    """
    if own.ndim == 4:
        keep = keep[:, None]
    return torch.where(keep.to(own.device), own, collectives.next_images(own))
