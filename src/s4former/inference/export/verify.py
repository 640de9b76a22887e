"""Whether a file computes what the network does that it was made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image as PilImage

from s4former.inference.export.files import Logits
from s4former.inference.onnx_model import Size, fitting_size, resized, resized_maps
from s4former.ops.confusion import Scores, confusion_matrix
from s4former.types import Segmenter

_BATCH = 4
Example = tuple[np.ndarray, np.ndarray | None]
"""An image "h w c" of 8 bits, and the mask "h w" of its classes if it is known."""


@dataclass(frozen=True)
class Agreement:
    """How far a file is from its network.

    Attributes:
        images: How many images were compared, one by one; the first also in a batch of four, and at two
            other sizes if the file takes any.
        sizes: At how many sizes.
        logit_error: Largest difference of two logits.
        largest_logit: What to compare it with.
        changed: Share of pixels that got another class.
        miou: Mean IoU of the network and of the file at the images' own sizes; none without masks.
    """

    images: int
    sizes: int
    logit_error: float
    largest_logit: float
    changed: float
    miou: tuple[float, float] | None


def compare(network: Segmenter, logits: Logits, examples: Iterable[Example], size: Size | None) -> Agreement:
    """Compare a file with a network in eval mode, on a CPU in float32.

    Args:
        network: The network.
        logits: What the file computes.
        examples: The images, at least one.
        size: Height and width that the file takes; none: any multiples of a patch.
    """
    k, sizes, error, largest, changed, pixels = network.num_classes, set[Size](), 0.0, 0.0, 0, 0
    counts, known, count = torch.zeros(2, k, k, dtype=torch.int64), True, 0
    for image, mask in examples:
        given = resized(image, fitting_size((image.shape[0], image.shape[1]), size, network.patch_size))
        sizes.add((given.shape[0], given.shape[1]))
        found = logits(given[None])
        expected = _expected(network, given[None])
        pairs = [(expected, found)]
        for more in () if count else _variants(given, size, network.patch_size):
            sizes.add((more.shape[1], more.shape[2]))
            pairs.append((_expected(network, more), logits(more)))
        for one, other in pairs:
            error = max(error, float(np.abs(one - other).max()))
            largest = max(largest, float(np.abs(one).max()))
            changed += int((one.argmax(1) != other.argmax(1)).sum())
            pixels += one[:, 0].size
        known, count = known and mask is not None, count + 1
        for total, maps in zip(counts, (expected[0], found[0]), strict=True):
            if mask is not None:
                answer = torch.from_numpy(resized_maps(maps, (mask.shape[0], mask.shape[1])).argmax(0))
                total += confusion_matrix(answer, torch.from_numpy(mask), k)
    before, after = (Scores.from_matrix(total).miou for total in counts)
    scores = (before, after) if known else None
    return Agreement(count, len(sizes), error, largest, changed / pixels, scores)


def _variants(given: np.ndarray, size: Size | None, patch: int) -> Iterator[np.ndarray]:
    """Yield a batch of an image shifted a little, and the image at other sizes where the size is open."""
    yield np.stack([np.roll(given, shift, axis=1) for shift in range(_BATCH)])
    for height, width in () if size else ((0.5, 0.75), (1.25, 1)):
        own = round(given.shape[0] * height), round(given.shape[1] * width)
        yield resized(given, fitting_size(own, None, patch))[None]


def _expected(network: Segmenter, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        return network(pixels).float().numpy()  # type: ignore[no-any-return]


def textures(channels: int, size: Size) -> Iterator[Example]:
    """Yield made-up images from smooth to rough, of sizes around a size."""
    generator = np.random.default_rng(0)
    for number in range(6):
        height, width = (max(8, round(side * (0.75 + 0.25 * (number % 3)))) for side in size)
        cells = 2 ** (number + 1)
        coarse = generator.integers(0, 256, (cells, cells, channels), dtype=np.uint8)
        shape = (width, height)
        how = PilImage.Resampling.BICUBIC
        bands = [PilImage.fromarray(coarse[..., band]).resize(shape, how) for band in range(channels)]
        yield np.stack([np.asarray(band) for band in bands], axis=2), None
