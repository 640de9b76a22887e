"""Scores of a segmentation, all from one summed confusion matrix, and how much chance is in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from s4former.types import IGNORE

CONFIDENCE = 0.95
"""Share of the resamples whose scores lie in the interval of `bootstrap`."""
_RESAMPLES = 2000


def confusion_matrix(
    prediction: Integer[Tensor, "*shape"], labels: Integer[Tensor, "*shape"], num_classes: int
) -> Int[Tensor, "k k"]:
    """Count pixels by [label, prediction], in int64, so that matrices of many images add up exactly.

    Pixels labeled IGNORE do not count, whatever is predicted there.

    Raises:
        ValueError: If a counted label or prediction is not a class.
    """
    require_classes("label", labels[labels != IGNORE], num_classes)
    require_classes("prediction", prediction[labels != IGNORE], num_classes)
    return count_pixels(prediction[None], labels[None], num_classes)[0]


def require_classes(what: str, values: Integer[Tensor, "*shape"], num_classes: int) -> None:
    """Make sure that all values are classes.

    Raises:
        ValueError: If not.
    """
    wrong = values[(values < 0) | (values >= num_classes)]
    if wrong.numel():
        raise ValueError(
            f"{what} values must be 0 to {num_classes - 1} (or {IGNORE} in labels, which is ignored); "
            f"found {sorted(set(wrong.tolist()))[:10]}"
        )


def count_pixels(
    prediction: Integer[Tensor, "b ..."], labels: Integer[Tensor, "b ..."], num_classes: int
) -> Int[Tensor, "b k k"]:
    """Return the `confusion_matrix` of each image, of labels and predictions that are known to be classes.

    The host does not wait for the device.
    """
    cells = num_classes**2 + 1  # the last one for what does not count
    index = (labels.long() * num_classes + prediction).masked_fill(labels == IGNORE, cells - 1).flatten(1)
    counts = index.new_zeros(len(index), cells).scatter_add_(1, index, torch.ones_like(index))
    return counts[:, :-1].view(len(index), num_classes, num_classes)


def areas(matrix: Int[Tensor, "k k"]) -> Int[Tensor, "3 k"]:
    """Return what scores are made of: each class's pixels that are right, labeled and predicted."""
    return torch.stack([matrix.diagonal(), matrix.sum(1), matrix.sum(0)])


@dataclass(frozen=True)
class Scores:
    """Scores over a whole data set, as fractions; NaN where there is nothing to score.

    Attributes:
        iou: Intersection over union per class; NaN for a class neither labeled nor predicted.
        acc: Share of a class's labeled pixels that were found; NaN for a class that is never labeled.
        miou: Mean of ``iou`` over the classes where it is a number. A class that is never labeled is among
            them, with 0, as soon as one pixel is taken for it.
        miou_present: Mean of ``iou`` over the classes that are labeled somewhere.
        macc: Mean of ``acc`` over the classes where it is a number.
        aacc: Share of all labeled pixels that are right.
    """

    iou: tuple[float, ...]
    acc: tuple[float, ...]
    miou: float
    miou_present: float
    macc: float
    aacc: float

    @classmethod
    def from_matrix(cls, matrix: Int[Tensor, "k k"]) -> Scores:
        """Score a confusion matrix [label, prediction].

        Source:
            mmseg's ``mIoU`` evaluation (golden ``iou``); ``miou_present`` is ours.
        """
        return cls._of(_measure(areas(matrix)), lambda values: values)

    @classmethod
    def _of(cls, measured: _Measured, reduce: Callable[[Tensor], Tensor]) -> Scores:
        values = [reduce(value) for value in measured]
        return cls(tuple(values[0].tolist()), tuple(values[1].tolist()), *map(float, values[2:]))

    @property
    def counted_absent(self) -> tuple[int, ...]:
        """The classes that are never labeled and yet enter ``miou``, as 0: something was taken for them."""
        pairs = enumerate(zip(self.iou, self.acc, strict=True))
        return tuple(index for index, (iou, acc) in pairs if iou == 0 and np.isnan(acc))


def bootstrap(by_image: Int[Tensor, "images 3 k"]) -> tuple[Scores, Scores] | None:
    """Return the lower and upper ends of the 95 % interval of each score; None for a single image.

    Images are drawn anew, with replacement, 2,000 times from a fixed seed, and scored like the set itself;
    the interval holds the middle 95 % of those scores. It tells what the choice of the images does to a
    score. Of few images it is rather too narrow, as they cannot show what others would.

    Args:
        by_image: The `areas` of each image.

    Source:
        The percentile bootstrap (Efron, 1979).
    """
    count = len(by_image)
    if count < 2:
        return None
    sums = _resampled(by_image)
    measured = _measure(sums)
    seen = sums[:, 1] > 0  # a draw without the class says nothing of its IoU
    measured = measured._replace(iou=measured.iou.where(seen, torch.nan))
    tail = (1 - CONFIDENCE) / 2
    low, high = (
        Scores._of(measured, lambda values, share=share: values.nanquantile(share, dim=0))  # type: ignore[misc]
        for share in (tail, 1 - tail)
    )
    return low, high


def bootstrap_difference(
    by_image: Int[Tensor, "images 3 k"], other: Int[Tensor, "images 3 k"]
) -> tuple[float, float]:
    """Return the ends of the 95 % interval of by how much one network's mean IoU is above another's.

    Both are scored on the same images in each draw, so what is hard about an image cancels.

    Args:
        by_image: The `areas` of each image, at least two.
        other: Those of the other network, in the same order.

    Source:
        The percentile bootstrap of paired differences (Efron, 1979), draws as in `bootstrap`.
    """
    differences = _measure(_resampled(by_image)).miou - _measure(_resampled(other)).miou
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(differences.nanquantile(share)) for share in (tail, 1 - tail))
    return low, high


def _resampled(by_image: Int[Tensor, "images 3 k"]) -> Float[Tensor, "draws 3 k"]:
    """Return the areas of sets of images that are drawn anew, the same for any network."""
    count = len(by_image)
    drawn = np.random.default_rng(0).multinomial(count, [1 / count] * count, size=_RESAMPLES)
    return torch.einsum("ri,iak->rak", torch.from_numpy(drawn).double(), by_image.double().cpu())


class _Measured(NamedTuple):
    """The fields of `Scores` in their order, of one set of areas or of many."""

    iou: Float[Tensor, "*sets k"]
    acc: Float[Tensor, "*sets k"]
    miou: Float[Tensor, "*sets"]
    miou_present: Float[Tensor, "*sets"]
    macc: Float[Tensor, "*sets"]
    aacc: Float[Tensor, "*sets"]


def _measure(counts: Tensor) -> _Measured:
    right, labeled, predicted = counts.double().cpu().unbind(-2)
    iou = right / (labeled + predicted - right)
    acc = right / labeled
    present = iou.where(labeled > 0, torch.nan)
    return _Measured(
        iou, acc, iou.nanmean(-1), present.nanmean(-1), acc.nanmean(-1), right.sum(-1) / labeled.sum(-1)
    )
