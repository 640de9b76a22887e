"""CutMix: a box of every image is replaced by the same box of another image of the global batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from s4former import collectives
from s4former.config.errors import ValueMistake
from s4former.ops.randomness import keyed_generator
from s4former.types import DrawKey

Box = Literal["half", "small"]
Partner = Literal["next", "reversed"]


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


def sample_small_box(generator: np.random.Generator, height: int, width: int) -> tuple[int, int, int, int]:
    """Draw a box that covers 2 to 40 % of the image; it is mostly taller than the image's own shape.

    The share of the area is uniform and drawn once. The ratio of the relative sides, uniform in 0.3 to 3.33,
    and the corner, uniform over the image, are drawn until the box fits.

    Args:
        generator: Where the numbers come from.
        height: Image height in pixels.
        width: Image width in pixels.

    Returns:
        ``x0, y0, x1, y1`` in pixels, the last two exclusive.

    Source:
        UniMatch V2's boxes (golden ``augment``: same range and distribution, not the same draws). **We
        differ:** by relative sides in images that are not square, which they have none of.
    """
    share = generator.uniform(0.02, 0.4)
    while True:
        ratio = generator.uniform(0.3, 1 / 0.3)
        box_width, box_height = int((share / ratio) ** 0.5 * width), int((share * ratio) ** 0.5 * height)
        x0, y0 = int(generator.integers(width)), int(generator.integers(height))
        if x0 + box_width <= width and y0 + box_height <= height:
            return x0, y0, x0 + box_width, y0 + box_height


_BOXES: dict[Box, Callable[[np.random.Generator, int, int], tuple[int, int, int, int]]] = {
    "half": sample_box,
    "small": sample_small_box,
}


def cutmix_masks(
    key: DrawKey,
    stream: str,
    indices: Sequence[int],
    height: int,
    width: int,
    probability: float,
    per_batch: bool,
    box: Box = "half",
) -> Bool[Tensor, "b h w"]:
    """Draw which pixels of a batch stay their own: False inside the box that comes from another image.

    Args:
        key: Names the draws, together with ``stream`` and the image's number in the global batch.
        stream: What is drawn, as in ``"cutmix"``.
        indices: Numbers of the images in the global batch.
        height: Image height in pixels.
        width: Image width in pixels.
        probability: Chance of an image to get a box.
        per_batch: Whether one decision holds for the whole batch (as released) or each image has its own.
            The boxes differ between images in either case.
        box: The rule of the boxes: `sample_box` or `sample_small_box`.
    """
    keep = torch.ones(len(indices), height, width, dtype=torch.bool)
    whole_batch = keyed_generator(key.seed, f"{stream}/batch", key.step).random()
    for place, index in enumerate(indices):
        generator = keyed_generator(key.seed, stream, key.step, index)
        own = generator.random()
        if (whole_batch if per_batch else own) < probability:
            x0, y0, x1, y1 = _BOXES[box](generator, height, width)
            keep[place, y0:y1, x0:x1] = False
    return keep


def mix(
    own: Shaped[Tensor, "b *c h w"], keep: Bool[Tensor, "b h w"], partner: Partner = "next"
) -> Shaped[Tensor, "b *c h w"]:
    """Take a batch where ``keep`` is True, and the partner of each image elsewhere.

    Works alike for images, logits ("b c h w") and label maps ("b h w"), so that they stay aligned. No
    gradient flows to another process.

    Args:
        own: The batch, or what this process has of it.
        keep: Where images keep their own pixels.
        partner: The ``next`` image of the global batch (the first one after the last), wherever it is, or the
            one at the same place of the ``reversed`` batch.
    """
    if own.ndim == 4:
        keep = keep[:, None]
    partners = collectives.next_images if partner == "next" else collectives.reversed_images
    return torch.where(keep.to(own.device), own, partners(own))
