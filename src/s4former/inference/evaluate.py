"""How a network is asked about whole images, and how its predictions are scored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Integer, Shaped, UInt8
from torch import Tensor

from s4former import collectives
from s4former.config.errors import UserError
from s4former.data.geometry import resize_pixels
from s4former.data.sources import Source, Split, evaluation_pairs, evaluation_share, split_ids
from s4former.inference.config import FEW_IMAGES, EvaluateConfig, both_sides
from s4former.inference.device import autocast
from s4former.inference.row_chunks import (
    RowChunks,
    images_at_once,
    resized_row_chunks,
    slide_row_chunks,
    whole_row_chunks,
    with_rows,
)
from s4former.inference.wording import remarks
from s4former.ops.confusion import CONFIDENCE, Scores, areas, bootstrap, count_pixels, require_classes
from s4former.types import IGNORE, Images, Logits, Segmenter

Pixels = UInt8[np.ndarray, "h w c"]

MAX_PATCHES = 2**16
"""Patches that an image may have in one piece: time grows with their square, and a head that works at the
image's size would need more memory than a GPU has."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of one network and what they were measured on.

    Attributes:
        scores: Fractions; NaN where undefined.
        names: Class names in the order of the scores.
        split: Which images.
        images: How many.
        protocol: The evaluation's config, resolved, and the precision.
        seconds: Time for all networks that were scored together.
        interval: Between which scores others of as few images might lie, see `bootstrap`; none for a single
            image, and for `FEW_IMAGES` or more.
    """

    scores: Scores
    names: tuple[str, ...]
    split: str
    images: int
    protocol: dict[str, Any]
    seconds: float
    interval: tuple[Scores, Scores] | None = None

    def record(self) -> dict[str, Any]:
        """Return plain data for JSON, undefined scores as None."""
        record = {
            "part": self.split,
            "images": self.images,
            **self._plain(self.scores),
            "counted_absent": [self.names[index] for index in self.scores.counted_absent],
            "interval": None,
            "protocol": self.protocol,
            "seconds": round(self.seconds, 2),
        }
        if self.interval:
            low, high = map(self._plain, self.interval)
            record["interval"] = {"confidence": CONFIDENCE, "low": low, "high": high}
        return record | {"remarks": remarks(record)}

    def _plain(self, scores: Scores) -> dict[str, Any]:
        return {
            "miou": _number(scores.miou),
            "miou_present": _number(scores.miou_present),
            "macc": _number(scores.macc),
            "aacc": _number(scores.aacc),
            "iou": dict(zip(self.names, map(_number, scores.iou), strict=True)),
            "acc": dict(zip(self.names, map(_number, scores.acc), strict=True)),
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


Predictions = dict[str, UInt8[np.ndarray, "h w"]]
Pair = tuple[str, Pixels, Integer[np.ndarray, "h w"]]


@dataclass(frozen=True)
class Pictures:
    """Receives scored images; predictions leave the device only for that.

    Attributes:
        show: Called with the id, pixels, mask and predictions of an image.
        first: Of how many images of a process.
    """

    show: Callable[[str, Pixels, Integer[np.ndarray, "h w"], Predictions], None]
    first: float = math.inf


_NO_PICTURES = Pictures(lambda *_: None, first=0)
OpenPictures = Callable[[Source], Pictures]
"""Returns the `Pictures` once the data is opened."""


def evaluate(
    networks: Mapping[str, Segmenter],
    source: Source,
    config: EvaluateConfig,
    device: str,
    precision: str,
    on_image: Callable[[], None] = lambda: None,
    pictures: Pictures = _NO_PICTURES,
    threads: int = 0,
) -> dict[str, Evaluation]:
    """Score networks on one split of a data set, reading each image once.

    Neighbors of one size are looked at together, and pixels are counted where the networks are. Several
    processes share the images, and all get the scores of all of them. Of fewer than `FEW_IMAGES` the areas
    of each are kept, so that the scores have an interval.

    Args:
        networks: The networks by name, on ``device``; their training mode is given back.
        source: The images and masks.
        config: The protocol, resolved.
        device: Where the networks are.
        precision: Format of their products.
        on_image: Called after each image of this process.
        pictures: Receives the images; by default nothing does.
        threads: How many read images ahead.

    Raises:
        DataError: If the split has no images or one of them is bad.
        UserError: If an image is too large to be looked at in one piece.
    """
    split, total, k = config.part, len(split_ids(source, config.part)), len(source.classes)
    rank, world_size = collectives.rank(), collectives.world_size()
    pairs = evaluation_pairs(source, split, rank, world_size, threads)
    first = evaluation_share(total, rank, world_size).start
    found = {name: _Counts(k, total if total < FEW_IMAGES else 0, device) for name in networks}
    start, done = time.perf_counter(), 0
    with collectives.raise_on_all_ranks(), in_eval(networks):
        for batch in _batches(pairs, config, k):
            images, labels = _together(batch, k)
            predictions: list[Predictions] = [
                {} for number, _ in enumerate(batch, done) if number < pictures.first
            ]
            for name, network in networks.items():
                check_image_size(network, batch[0][1], config, f"the {split} image {batch[0][0]}")
                counts = torch.zeros(len(batch), k, k, dtype=torch.int64, device=device)
                for rows, chunk in with_rows(logit_row_chunks(network, images, config, device, precision)):
                    prediction = chunk.max(1).indices  # on a CPU four times as fast as argmax
                    here = labels[:, rows].to(device, non_blocking=True)
                    counts += count_pixels(prediction, here, k)
                    for answer, own in zip(predictions, prediction, strict=False):
                        whole = answer.setdefault(name, np.empty(labels.shape[1:], np.uint8))
                        whole[rows] = own.to(torch.uint8).cpu().numpy()
                found[name].add(counts, first + done)
            for (id, image, mask), answer in zip(batch, predictions, strict=False):
                pictures.show(id, image, mask, answer)
            for _ in batch:
                on_image()
            done += len(batch)
    protocol, names = protocol_record(config, precision), source.classes.names
    sums = {name: collectives.total(counts.matrix) for name, counts in found.items()}
    intervals = {name: bootstrap(collectives.total(counts.by_image)) for name, counts in found.items()}
    seconds = time.perf_counter() - start
    return {
        name: Evaluation(Scores.from_matrix(matrix), names, split, total, protocol, seconds, intervals[name])
        for name, matrix in sums.items()
    }


class _Counts:
    """What was counted of one network: pixels by [label, prediction], and the areas of a few images."""

    def __init__(self, num_classes: int, images: int, device: str) -> None:
        self.matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)
        self.by_image = torch.zeros(images, 3, num_classes, dtype=torch.int64, device=device)

    def add(self, counts: Int64[Tensor, "b k k"], first: int) -> None:
        """Take those of images from number ``first`` on."""
        self.matrix += counts.sum(0)
        if len(self.by_image):
            self.by_image[first : first + len(counts)] = torch.stack([areas(matrix) for matrix in counts])


def _batches(pairs: Iterator[Pair], config: EvaluateConfig, num_classes: int) -> Iterator[list[Pair]]:
    """Yield neighbors of one size together, as many as a network is given at once."""
    batch: list[Pair] = []
    for pair in pairs:
        size = (pair[1].shape[0], pair[1].shape[1])
        seen = max([size, *(_size_seen(size, config, scale) for scale in config.scales)])
        if batch and (pair[1].shape != batch[0][1].shape or len(batch) >= images_at_once(seen, num_classes)):
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch


def _together(
    batch: list[Pair], num_classes: int
) -> tuple[UInt8[np.ndarray, "b h w c"], Integer[Tensor, "b h w"]]:
    """Return the images of a batch, and their masks, of which all pixels are classes or unknown."""
    labels = torch.from_numpy(_stacked([mask for _, _, mask in batch]))
    require_classes("label", labels[labels != IGNORE], num_classes)
    return _stacked([image for _, image, _ in batch]), labels


def _stacked(arrays: list[Shaped[np.ndarray, "*any"]]) -> Shaped[np.ndarray, "b ..."]:
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][None]  # of a huge one there is no copy


def protocol_record(config: EvaluateConfig, precision: str) -> dict[str, Any]:
    """Return how scores are made as JSON has it, beside the scores."""
    return {**config.model_dump(mode="json"), "precision": precision}


def own_images(source: Source, split: Split) -> int:
    """Return how many images of a split are this process's to score."""
    share = evaluation_share(len(split_ids(source, split)), collectives.rank(), collectives.world_size())
    return int(share.stop - share.start)


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
    height, width = max(_size_seen(size, config, scale) for scale in config.scales)
    return math.ceil(height * width / min(patch_size, 16) ** 2)


def logit_row_chunks(
    network: Segmenter,
    images: UInt8[np.ndarray, "b h w c"],
    config: EvaluateConfig,
    device: str,
    precision: str,
) -> RowChunks:
    """Yield float32 logits of images at their own size, from top to bottom; usual sizes are one chunk.

    Of several passes, they are the log probabilities of their mean. In windows, memory is that of one row of
    windows a pass: their height x the image's width x classes, 4 bytes each.

    Source:
        mmseg's ``whole_inference`` and ``slide_inference``: windows overlap so that the last ends at the
        border, their logits are averaged, and the mean is resized; ``aug_test`` averages probabilities over
        scales and flips. **We differ:** shrinking an image is antialiased, as in training.
    """
    flips = (False, True) if config.flip else (False,)
    tta_passes = [(scale, flip) for scale in config.scales for flip in flips]
    seen = [
        _tta_pass(network, images, config, device, precision, *one, len(tta_passes)) for one in tta_passes
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
) -> RowChunks:
    height, width = images.shape[1:3]
    size = _size_seen((height, width), config, scale)
    if size != (height, width):
        images = _stacked([resize_pixels(image, size) for image in images])
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
        row_chunks = slide_row_chunks(predict_logits, network.num_classes, images, crop, stride, device)
    if flip:
        row_chunks = (chunk.flip(-1) for chunk in row_chunks)
    return resized_row_chunks(row_chunks, size[0], (height, width), tta_passes)


def _size_seen(size: tuple[int, int], config: EvaluateConfig, scale: float) -> tuple[int, int]:
    """Return the height and width at which the network sees an image of a height and width."""
    height, width = size
    short_side = config.short_side
    if scale != 1:
        short_side = max(1, round((short_side or min(height, width)) * scale))
    if short_side is None or short_side == min(height, width):
        return height, width
    factor = short_side / min(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))
