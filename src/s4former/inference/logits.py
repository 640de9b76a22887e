"""The logits of whole images: passed through in one piece or in windows, at several sizes and mirrored."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Shaped, UInt8

from s4former import collectives
from s4former.config.errors import UserError
from s4former.data.geometry import resize_pixels
from s4former.inference.config import EvaluateConfig, both_sides
from s4former.inference.device import autocast
from s4former.inference.lockstep import passes_in_lockstep
from s4former.inference.row_chunks import (
    RowChunks,
    images_at_once,
    resized_row_chunks,
    slide_row_chunks,
    whole_row_chunks,
)
from s4former.types import Images, Logits, Segmenter

T = TypeVar("T")
S = TypeVar("S", bound=Hashable)
Pixels = UInt8[np.ndarray, "h w c"]
MAX_PATCHES = 2**16
"""Patches that an image may have in one piece: time grows with their square, and a head that works at the
image's size would need more memory than a GPU has."""


def by_size(
    items: Iterable[T], size: Callable[[T], S], at_once: Callable[[S], int], held: int = 32
) -> Iterator[list[T]]:
    """Yield items of one size together.

    Args:
        items: The items; those of a size stay in their order.
        size: Returns the size of one.
        at_once: Returns how many of a size are wanted together.
        held: How many wait for others of their size at most.
    """
    waiting: dict[S, list[T]] = {}
    for item in items:
        its = size(item)
        batch = waiting.setdefault(its, [])
        batch.append(item)
        full = len(batch) >= at_once(its)
        del item, batch  # a huge image is let go before the next one is read
        if full:
            yield waiting.pop(its)
        elif sum(map(len, waiting.values())) > held:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


def logit_row_chunks(
    network: Segmenter,
    images: UInt8[np.ndarray, "b h w c"],
    config: EvaluateConfig,
    device: str,
    precision: str,
    blend: bool = False,
) -> RowChunks:
    """Yield float32 logits of images at their own size, from top to bottom; usual sizes are one chunk.

    Of several passes, they are the log probabilities of their mean. In windows, memory is that of one row of
    windows a pass: their height x the image's width x classes, 4 bytes each. With ``blend`` windows count
    less toward their borders.

    Source:
        mmseg's ``whole_inference`` and ``slide_inference``: windows overlap so that the last ends at the
        border, their logits are averaged, and the mean is resized; ``aug_test`` averages probabilities over
        scales and flips. **We differ:** shrinking an image is antialiased, as in training.
    """
    flips = (False, True) if config.flip else (False,)
    tta_passes = [(scale, flip) for scale in config.scales for flip in flips]
    seen = [
        _tta_pass(network, images, config, device, precision, *one, len(tta_passes), blend)
        for one in tta_passes
    ]
    if tta_passes == [(1.0, False)]:
        yield from seen[0]
        return
    for row_chunks in zip(*seen, strict=True):
        mean = reduce(torch.add, (chunk.softmax(1) for chunk in row_chunks)) / len(tta_passes)
        yield mean.clamp_min(torch.finfo(torch.float32).tiny).log()


def _tta_pass(
    network: Segmenter,
    images: UInt8[np.ndarray, "b h w c"],
    config: EvaluateConfig,
    device: str,
    precision: str,
    scale: float,
    flip: bool,
    tta_passes: int,
    blend: bool,
) -> RowChunks:
    height, width = images.shape[1:3]
    size = size_seen((height, width), config, scale)
    if size != (height, width):
        images = stacked([resize_pixels(image, size) for image in images])
    if flip:
        images = images[:, :, ::-1]

    def predict_logits(given: Images) -> Logits:
        with autocast(device, precision):
            return network(given)  # type: ignore[no-any-return]

    if config.mode == "whole":
        row_chunks = whole_row_chunks(predict_logits, images, device)
    elif config.crop_size is None or config.stride is None:
        raise ValueError("sliding windows need crop_size and stride; resolve the config first")
    else:
        crop, stride = both_sides(config.crop_size), both_sides(config.stride)
        row_chunks = slide_row_chunks(
            predict_logits, network.num_classes, images, crop, stride, device, blend
        )
    if flip:
        row_chunks = (chunk.flip(-1) for chunk in row_chunks)
    return resized_row_chunks(row_chunks, size[0], (height, width), tta_passes)


def size_seen(size: tuple[int, int], config: EvaluateConfig, scale: float) -> tuple[int, int]:
    """Return the height and width at which the network sees an image of a height and width."""
    height, width = size
    short_side = config.short_side
    if scale != 1:
        short_side = max(1, round((short_side or min(height, width)) * scale))
    if short_side is None or short_side == min(height, width):
        return height, width
    factor = short_side / min(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def seen_at_once(size: tuple[int, int], config: EvaluateConfig, num_classes: int) -> int:
    """Return how many images of a height and width a network is given together."""
    return images_at_once(
        max([size, *(size_seen(size, config, scale) for scale in config.scales)]), num_classes
    )


def stacked(arrays: list[Shaped[np.ndarray, "*any"]]) -> Shaped[np.ndarray, "b ..."]:
    """Return arrays of one shape as one."""
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][None]  # of a huge one there is no copy


@contextmanager
def in_eval(networks: Mapping[str, Segmenter]) -> Iterator[None]:
    """Put networks into eval mode for a while, without gradients.

    Sharded ones can be called as if they were not, but all processes have to leave the block.
    """
    # What such networks gather is used in training, too, which takes no tensor of inference mode.
    gathers = any(collectives.any_sharded(network.parameters()) for network in networks.values())
    modes = {name: network.training for name, network in networks.items()}
    try:
        for network in networks.values():
            network.eval()
        with torch.no_grad() if gathers else torch.inference_mode(), passes_in_lockstep(networks):
            yield
    finally:
        for name, network in networks.items():
            network.train(modes[name])


def check_image_size(network: Segmenter, image: Pixels, config: EvaluateConfig, what: str) -> None:
    """Refuse a huge image in one piece before memory runs out.

    Args:
        network: The network.
        image: The image.
        config: The protocol.
        what: What the error calls the image.

    Raises:
        UserError: If a pass in mode ``whole`` has more than `MAX_PATCHES` patches.
    """
    patches = whole_patches(network, image, config)
    if patches > MAX_PATCHES:
        raise too_many_patches(what, (image.shape[0], image.shape[1]), patches)


def too_many_patches(what: str, size: tuple[int, int], patches: int) -> UserError:
    """Return the error for an image that cannot be looked at in one piece."""
    return UserError(
        f"{what} has {size[0]} x {size[1]} pixels (height x width), which are {patches} patches in one "
        f"piece; up to {MAX_PATCHES} are taken at once. Type evaluate.mode=slide, or "
        "evaluate.short_side=512 to shrink images"
    )


def whole_patches(network: Segmenter, image: Pixels, config: EvaluateConfig) -> int:
    """Return how many patches the largest pass over an image has in mode ``whole``; 0 in windows.

    Hierarchical networks count as if their patches had 16 pixels, since their first stages see more detail.
    """
    return patches_in_one_piece((image.shape[0], image.shape[1]), network.patch_size, config)


def patches_in_one_piece(size: tuple[int, int], patch_size: int, config: EvaluateConfig) -> int:
    """Return how many patches an image of a height and width has, as `whole_patches` does."""
    if config.mode == "slide":
        return 0
    height, width = max(size_seen(size, config, scale) for scale in config.scales)
    return math.ceil(height * width / min(patch_size, 16) ** 2)
