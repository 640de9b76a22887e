"""How a network is asked about whole images, and how its answers are scored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Integer, UInt8
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from s4former.config.base import Config
from s4former.data.geometry import resize_pixels
from s4former.data.sources import Part, Source, evaluation_pairs, part_ids
from s4former.engine import distributed
from s4former.engine.device import autocast
from s4former.ops import across
from s4former.ops.confusion import Scores, confusion_matrix
from s4former.ops.resize import resize_bilinear
from s4former.types import Segmenter

Size = PositiveInt | tuple[PositiveInt, PositiveInt]
Pixels = UInt8[np.ndarray, "h w c"]


class EvaluateConfig(Config):
    """The protocol: which images, at which size, in one piece or in windows. Scores are at original size."""

    part: Literal["val", "test"] = "val"
    """The images that are scored."""
    mode: Literal["whole", "slide"] = "whole"
    """``whole``: one pass over the image; ``slide``: the mean of the logits of overlapping windows."""
    short_side: PositiveInt | None = None
    """Pixels that an image's shorter side is brought to for the network; none: its own size."""
    crop_size: Size | None = None
    """Window of ``slide``, a number or height and width; none: the training crop."""
    stride: Size | None = None
    """Step between windows; none: two thirds of the window."""
    scales: tuple[PositiveFloat, ...] = Field((1.0,), min_length=1)
    """Factors of the size at which the network sees an image; with several, probabilities are averaged."""
    flip: bool = False
    """Let the network see each image mirrored too, and average the probabilities."""

    def resolved(self, training_crop: tuple[int, int]) -> EvaluateConfig:
        """Return the same protocol with the numbers of ``slide`` filled in."""
        if self.mode == "whole":
            return self
        crop = _pair(self.crop_size or training_crop)
        stride = _pair(self.stride or tuple(max(1, side * 2 // 3) for side in crop))
        return self.model_copy(update={"crop_size": crop, "stride": stride})


def _pair(size: int | tuple[int, ...]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


@dataclass(frozen=True)
class Evaluation:
    """The scores of one network and what they were measured on.

    Attributes:
        scores: Fractions; NaN where undefined.
        names: Class names in the order of the scores.
        part: Which images.
        images: How many.
        protocol: The evaluation's config, resolved, and the precision.
        seconds: Time for all networks that were scored together.
    """

    scores: Scores
    names: tuple[str, ...]
    part: str
    images: int
    protocol: dict[str, Any]
    seconds: float

    def record(self) -> dict[str, Any]:
        """Return plain data for JSON, undefined scores as None."""
        scores = self.scores
        return {
            "part": self.part,
            "images": self.images,
            "miou": _number(scores.miou),
            "macc": _number(scores.macc),
            "aacc": _number(scores.aacc),
            "iou": dict(zip(self.names, map(_number, scores.iou), strict=True)),
            "acc": dict(zip(self.names, map(_number, scores.acc), strict=True)),
            "protocol": self.protocol,
            "seconds": round(self.seconds, 2),
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


Answers = dict[str, UInt8[np.ndarray, "h w"]]
OnImage = Callable[[int, str, Pixels, Integer[np.ndarray, "h w"], Answers], None]


def evaluate(
    networks: Mapping[str, Segmenter],
    source: Source,
    config: EvaluateConfig,
    device: str,
    precision: str,
    on_image: OnImage | None = None,
) -> dict[str, Evaluation]:
    """Score networks on one part of a data set, reading each image once.

    Several processes share the images, and all get the scores of all of them.

    Args:
        networks: The networks by name, on ``device``; their training mode is given back.
        source: The images and masks.
        config: The protocol, resolved.
        device: Where the networks are.
        precision: Format of their products.
        on_image: Called after each image of this process with its number, id, pixels, mask and predictions.

    Raises:
        DataError: If the part has no images or one of them is bad.
    """
    part: Part = config.part
    pairs = evaluation_pairs(source, part, across.rank(), across.world_size())
    num_classes = len(source.classes)
    matrices = {
        name: torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device) for name in networks
    }
    start, count = time.perf_counter(), 0
    with distributed.agreed(), in_eval(networks):
        for id, image, mask in pairs:
            labels = torch.from_numpy(mask).to(device)
            answers: Answers = {}
            for name, network in networks.items():
                prediction = image_logits(network, image, config, device, precision)[0].argmax(0)
                matrices[name] += confusion_matrix(prediction, labels, num_classes)
                if on_image:
                    answers[name] = prediction.to(torch.uint8).cpu().numpy()
            if on_image:
                on_image(count, id, image, mask, answers)
            count += 1
    protocol = {**config.model_dump(mode="json"), "precision": precision}
    sums = {name: across.total(matrix) for name, matrix in matrices.items()}
    seconds, images = time.perf_counter() - start, len(part_ids(source, part))
    return {
        name: Evaluation(Scores.from_matrix(matrix), source.classes.names, part, images, protocol, seconds)
        for name, matrix in sums.items()
    }


def own_images(source: Source, part: Part) -> int:
    """Return how many images of a part are this process's to score."""
    count, rank, processes = len(part_ids(source, part)), across.rank(), across.world_size()
    return count * (rank + 1) // processes - count * rank // processes


@contextmanager
def in_eval(networks: Mapping[str, Segmenter]) -> Iterator[None]:
    """Put networks into eval mode for a while, without gradients."""
    modes = {name: network.training for name, network in networks.items()}
    try:
        for network in networks.values():
            network.eval()
        with torch.inference_mode():
            yield
    finally:
        for name, network in networks.items():
            network.train(modes[name])


def image_logits(
    network: Segmenter, image: Pixels, config: EvaluateConfig, device: str, precision: str
) -> Float[Tensor, "1 k h w"]:
    """Return float32 logits of an image at its own size: of several looks, log probabilities of their mean.

    Source:
        mmseg's ``whole_inference`` and ``slide_inference``: windows overlap so that the last ends at the
        border, their logits are averaged, and the mean is resized; ``aug_test`` averages probabilities over
        scales and flips. **We differ:** shrinking an image is antialiased, as in training.
    """
    looks = [
        (scale, flip) for scale in config.scales for flip in ((False, True) if config.flip else (False,))
    ]
    if looks == [(1.0, False)]:
        return _look(network, image, config, device, precision)
    seen = (_look(network, image, config, device, precision, *look).softmax(1) for look in looks)
    mean = reduce(torch.add, seen) / len(looks)
    return mean.clamp_min(torch.finfo(torch.float32).tiny).log()


def _look(
    network: Segmenter,
    image: Pixels,
    config: EvaluateConfig,
    device: str,
    precision: str,
    scale: float = 1.0,
    flip: bool = False,
) -> Float[Tensor, "1 k h w"]:
    height, width = image.shape[:2]
    short_side = config.short_side
    if scale != 1:
        short_side = max(1, round((short_side or min(height, width)) * scale))
    pixels = torch.from_numpy(np.ascontiguousarray(_resized(image, short_side))).to(device)
    x = pixels.permute(2, 0, 1)[None].float() / 255
    if flip:
        x = x.flip(-1)
    with autocast(device, precision):
        logits = _slide(network, x, config) if config.mode == "slide" else network(x)
    if flip:
        logits = logits.flip(-1)
    return resize_bilinear(logits.float(), (height, width))


def _resized(image: Pixels, short_side: int | None) -> UInt8[np.ndarray, "rh rw c"]:
    height, width = image.shape[:2]
    if short_side is None or short_side == min(height, width):
        return image
    factor = short_side / min(height, width)
    return resize_pixels(image, (max(1, round(height * factor)), max(1, round(width * factor))))


def _slide(
    network: Segmenter, x: Float[Tensor, "1 c h w"], config: EvaluateConfig
) -> Float[Tensor, "1 k h w"]:
    if config.crop_size is None or config.stride is None:
        raise ValueError("sliding windows need crop_size and stride; resolve the config first")
    height, width = x.shape[-2:]
    (crop_h, crop_w), (stride_h, stride_w) = _pair(config.crop_size), _pair(config.stride)
    total = x.new_zeros(1, network.num_classes, height, width)
    times = x.new_zeros(1, 1, height, width)
    for top in window_starts(height, crop_h, stride_h):
        for left in window_starts(width, crop_w, stride_w):
            window = (..., slice(top, top + crop_h), slice(left, left + crop_w))
            total[window] += network(x[window]).float()
            times[window] += 1
    return total / times


def window_starts(side: int, window: int, stride: int) -> list[int]:
    """Return where windows start along a side: every ``stride`` pixels, the last one ending at the border."""
    last = max(side - window, 0)
    return [*range(0, last, stride), last]
