"""How the predictions of networks on a split are scored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Integer, UInt8
from torch import Tensor

from s4former import collectives
from s4former.data.sources import Source, Split, evaluation_pairs, evaluation_share, split_ids
from s4former.inference.config import FEW_IMAGES, EvaluateConfig
from s4former.inference.logits import (
    Pixels,
    check_image_size,
    in_eval,
    logit_row_chunks,
    seen_at_once,
    stacked,
)
from s4former.inference.row_chunks import RowChunks, with_rows
from s4former.inference.wording import remarks
from s4former.ops.confusion import CONFIDENCE, Scores, areas, bootstrap, count_pixels, require_classes
from s4former.types import IGNORE, Segmenter


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
        by_image: The areas of each image, see `ops.confusion.areas`; none of `FEW_IMAGES` or more, unless
            they were asked for.
        matrix: The confusion matrix, pixels by [label, prediction].
    """

    scores: Scores
    names: tuple[str, ...]
    split: str
    images: int
    protocol: dict[str, Any]
    seconds: float
    interval: tuple[Scores, Scores] | None = None
    by_image: Int64[Tensor, "images 3 k"] | None = field(default=None, compare=False, repr=False)
    matrix: Int64[Tensor, "k k"] | None = field(default=None, compare=False, repr=False)

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


Mask = UInt8[np.ndarray, "h w"]
Predictions = dict[str, Mask]
Pair = tuple[str, Pixels, Integer[np.ndarray, "h w"]]


@dataclass(frozen=True)
class Pictures:
    """Receives scored images; predictions leave the device only for that.

    Attributes:
        show: Called with the id, pixels, mask and predictions of an image.
        ids: Of which images; none: of all.
    """

    show: Callable[[str, Pixels, Integer[np.ndarray, "h w"], Predictions], None]
    ids: Collection[str] | None = None

    def wants(self, id: str) -> bool:
        """Return whether an image is to be shown."""
        return self.ids is None or id in self.ids


NO_PICTURES = Pictures(lambda *_: None, ids=())
OpenPictures = Callable[[Source], Pictures]
"""Returns the `Pictures` once the data is opened."""


def evaluate(
    networks: Mapping[str, Segmenter],
    source: Source,
    config: EvaluateConfig,
    device: str,
    precision: str,
    on_image: Callable[[], None] = lambda: None,
    pictures: Pictures = NO_PICTURES,
    threads: int = 0,
    by_image: bool = False,
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
        by_image: Whether to keep the areas of each image, however many there are.

    Raises:
        DataError: If the split has no images or one of them is bad.
        UserError: If an image is too large to be looked at in one piece.
    """
    total = len(split_ids(source, config.part))
    kept = total if by_image or total < FEW_IMAGES else 0
    found = {name: _Counts(len(source.classes), kept, device) for name in networks}
    start = time.perf_counter()
    with collectives.raise_on_all_ranks(), in_eval(networks):
        _count(found, networks, source, config, device, precision, on_image, pictures, threads)
    summed = {
        name: (collectives.total(each.matrix), collectives.total(each.by_image))
        for name, each in found.items()
    }
    intervals = {name: bootstrap(each) if total < FEW_IMAGES else None for name, (_, each) in summed.items()}
    seconds = time.perf_counter() - start
    return {
        name: Evaluation(
            Scores.from_matrix(matrix),
            source.classes.names,
            config.part,
            total,
            protocol_record(config, precision),
            seconds,
            intervals[name],
            each if len(each) else None,
            matrix.cpu(),
        )
        for name, (matrix, each) in summed.items()
    }


def _count(
    found: Mapping[str, _Counts],
    networks: Mapping[str, Segmenter],
    source: Source,
    config: EvaluateConfig,
    device: str,
    precision: str,
    on_image: Callable[[], None],
    pictures: Pictures,
    threads: int,
) -> None:
    """Count what the networks predict for this process's share of a split, into ``found``."""
    rank, world_size = collectives.rank(), collectives.world_size()
    done, k = 0, len(source.classes)
    first = evaluation_share(len(split_ids(source, config.part)), rank, world_size).start
    for batch in _batches(evaluation_pairs(source, config.part, rank, world_size, threads), config, k):
        images, labels = _together(batch, k)
        wanted = {number: Predictions() for number, (id, _, _) in enumerate(batch) if pictures.wants(id)}
        for name, network in networks.items():
            check_image_size(network, batch[0][1], config, f"the {config.part} image {batch[0][0]}")
            row_chunks = logit_row_chunks(network, images, config, device, precision)
            kept = {number: np.empty(labels.shape[1:], np.uint8) for number in wanted}
            found[name].add(_counted(row_chunks, labels, k, device, kept), first + done)
            for number, mask in kept.items():
                wanted[number][name] = mask
        for number, answer in wanted.items():
            pictures.show(*batch[number], answer)
        for _ in batch:
            on_image()
        done += len(batch)


def _counted(
    row_chunks: RowChunks,
    labels: Integer[Tensor, "b h w"],
    num_classes: int,
    device: str,
    kept: Mapping[int, Mask],
) -> Int64[Tensor, "b k k"]:
    """Return the pixels of each image by [label, prediction]; those wanted are written into ``kept``."""
    counts = torch.zeros(len(labels), num_classes, num_classes, dtype=torch.int64, device=device)
    for rows, chunk in with_rows(row_chunks):
        prediction = chunk.max(1).indices  # on a CPU four times as fast as argmax
        here = labels[:, rows].to(device, non_blocking=True)
        counts += count_pixels(prediction, here, num_classes)
        for number, whole in kept.items():
            whole[rows] = prediction[number].to(torch.uint8).cpu().numpy()
    return counts


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
        shape = pair[1].shape
        most = seen_at_once((shape[0], shape[1]), config, num_classes)
        if batch and (shape != batch[0][1].shape or len(batch) >= most):
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch


def _together(
    batch: list[Pair], num_classes: int
) -> tuple[UInt8[np.ndarray, "b h w c"], Integer[Tensor, "b h w"]]:
    """Return the images of a batch, and their masks, of which all pixels are classes or unknown."""
    labels = torch.from_numpy(stacked([mask for _, _, mask in batch]))
    require_classes("label", labels[labels != IGNORE], num_classes)
    return stacked([image for _, image, _ in batch]), labels


def protocol_record(config: EvaluateConfig, precision: str) -> dict[str, Any]:
    """Return how scores are made as JSON has it, beside the scores."""
    return {**config.model_dump(mode="json"), "precision": precision}


def own_images(source: Source, split: Split) -> int:
    """Return how many images of a split are this process's to score."""
    share = evaluation_share(len(split_ids(source, split)), collectives.rank(), collectives.world_size())
    return int(share.stop - share.start)
