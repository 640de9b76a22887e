"""Losses of one batch of pixels, always in float32; IGNORE pixels never count.

Where several processes share a batch, the mean of what they return is the loss of the whole batch.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor
from torch.nn import functional as F

from s4former import collectives
from s4former.config.errors import ValueMistake
from s4former.types import IGNORE

NormalizeBy = Literal["all", "unpadded", "labeled"]
"""What a sum over known pixels is divided by: the number of all pixels (as released), of those that are not
padding (UniMatch V2), or of the known ones."""

_EPSILON = 1e-6  # added to each difference inside the norm, as torch's pairwise_distance does


def cross_entropy(
    logits: Float[Tensor, "b k h w"],
    labels: Integer[Tensor, "b h w"],
    pixels: Tensor | int,
    weights: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of the known pixels, summed and divided; 0 where there is none.

    Args:
        logits: What is learned.
        labels: Class index or IGNORE.
        pixels: What the sum is divided by: the number of pixels, by `count_pixels`, whatever they weigh.
        weights: Weight of a pixel by its label's class; none: every pixel counts 1.

    Source:
        Golden ``ncr`` (``ce``), divided by the number of all pixels, as the released code does: few confident
        pixels make a small loss.
    """
    total = F.cross_entropy(
        logits.float(), labels.long(), weight=weights, ignore_index=IGNORE, reduction="sum"
    )
    return total / pixels


def class_counts(labels: Integer[Tensor, "b h w"], num_classes: int) -> Int[Tensor, " k"]:
    """Count the pixels of each class; IGNORE counts nowhere."""
    places = labels.long().where(labels != IGNORE, num_classes).flatten()
    # Not `bincount`, nor a selection of the known pixels: both let the host wait to learn a size.
    counts = places.new_zeros(num_classes + 1).scatter_add_(0, places, torch.ones_like(places))
    return counts[:num_classes]


def class_weights(counts: Int[Tensor, " k"], power: float) -> Float[Tensor, " k"]:
    """Weigh classes by a power of their rarity, so that the pixels that were counted weigh 1 on average.

    Args:
        counts: Pixels of each class; with none at all, all classes weigh 1. A class below 1 in 1,000 counts
            as one of these: weights stay finite.
        power: 0 weighs all pixels alike; 1 gives every class the same sum of weights.

    Source:
        The usual inverse-frequency weights of segmentation, whose square root is ``power=0.5``.
    """
    total = counts.sum()  # compared on the device: asking the host would make it wait, every step
    shares = counts / total.clamp_min(1)
    weights = shares.clamp_min(1e-3) ** -power
    mean = (shares * weights).sum()
    return torch.where(total > 0, weights / mean, torch.ones_like(weights))


def negative_class_ranking(
    student: Float[Tensor, "b k h w"],
    teacher: Float[Tensor, "b k h w"],
    labels: Integer[Tensor, "b h w"],
    pixels: Tensor | int,
    mode: Literal["l2", "kl"] = "l2",
) -> Float[Tensor, ""]:
    """Pull the student's ranking of the classes that are *not* the label toward the teacher's.

    At each known pixel the label's class is deleted from both logit vectors, what is left goes through a
    softmax, and the two distributions ``p`` (student) and ``q`` (teacher) are compared. No gradient flows to
    the teacher.

    Args:
        student: Logits that learn.
        teacher: Logits of the same shape.
        labels: Class index, or IGNORE where nothing is compared.
        pixels: What the sum over known pixels is divided by: their number, by `count_pixels`.
        mode: ``"l2"`` is the Euclidean distance of ``p`` and ``q``; ``"kl"`` is KL(q || p).

    Raises:
        ValueError: If there are fewer than two classes.

    Source:
        S4Former, negative class ranking (golden ``ncr``; ``kl`` but for classes where it explodes). **We
        differ:** the released ``kl`` is NaN where teacher and student underflow in the same class of a pixel,
        which here adds 0; and it is replaced by the distance for all pixels of a class whose divergences sum
        to more than 1e6, which here stay.
    """
    if student.shape[1] < 2:
        raise ValueMistake(f"ranking the other classes needs at least 2 classes, got {student.shape[1]}")
    known = labels != IGNORE
    labels = labels.long().where(known, 0)
    student, teacher = student.float(), teacher.detach().float()
    # A lowest finite logit instead of a shorter vector: the same softmax (its share is exactly 0) without
    # gathering. It is not -inf, so that products with the vanished share stay 0.
    lowest = torch.finfo(torch.float32).min
    student, teacher = (logits.scatter(1, labels[:, None], lowest) for logits in (student, teacher))
    if mode == "l2":
        distance = _distance(student.softmax(1), teacher.softmax(1))
    else:
        distance = (teacher.softmax(1) * (teacher.log_softmax(1) - student.log_softmax(1))).sum(1)
    return distance.where(known, 0).sum() / pixels


def _distance(p: Tensor, q: Tensor) -> Tensor:
    """Return the norm of ``p - q + epsilon`` over the classes that are not the label.

    Both sum to 1, so the mixed term of the square vanishes and epsilon adds a constant; in the gradient it
    cancels too, because a softmax does not feel a constant. That spares an axis of only the compared classes.
    """
    return ((p - q).square().sum(1) + (p.shape[1] - 1) * _EPSILON**2).sqrt()


def count_pixels(
    labels: Integer[Tensor, "b h w"], normalize_by: NormalizeBy, valid: Bool[Tensor, "b h w"] | None = None
) -> Tensor | int:
    """Return what the loss of a batch is divided by, at least 1.

    With several processes it is such that the mean of their losses is that of the global batch.

    Args:
        labels: Class index or IGNORE.
        normalize_by: Which pixels count.
        valid: False on padding; ``unpadded`` asks for it.
    """
    if normalize_by == "all":
        return max(labels.numel(), 1)
    if normalize_by == "unpadded":
        assert valid is not None
        return collectives.normalize_by(valid.sum())
    return collectives.normalize_by((labels != IGNORE).sum())
