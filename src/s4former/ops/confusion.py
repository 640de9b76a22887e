"""Scores of a segmentation, all from one summed confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int, Integer
from torch import Tensor

from s4former.types import IGNORE


def confusion_matrix(
    prediction: Integer[Tensor, "*shape"], labels: Integer[Tensor, "*shape"], num_classes: int
) -> Int[Tensor, "k k"]:
    """Count pixels by [label, prediction], in int64, so that matrices of many images add up exactly.

    Pixels labeled IGNORE do not count, whatever is predicted there.

    Raises:
        ValueError: If a counted label or prediction is not a class.
    """
    known = labels != IGNORE
    label, predicted = labels[known].long(), prediction[known].long()
    for name, values in (("label", label), ("prediction", predicted)):
        wrong = values[(values < 0) | (values >= num_classes)]
        if wrong.numel():
            raise ValueError(
                f"{name} values must be 0 to {num_classes - 1} (or {IGNORE} in labels, which is ignored); "
                f"found {sorted(set(wrong.tolist()))[:10]}"
            )
    counts = torch.bincount(label * num_classes + predicted, minlength=num_classes**2)
    return counts.view(num_classes, num_classes)


@dataclass(frozen=True)
class Scores:
    """Scores over a whole data set, as fractions; NaN where there is nothing to score.

    Attributes:
        iou: Intersection over union per class; NaN for a class neither labeled nor predicted.
        acc: Share of a class's labeled pixels that were found; NaN for a class that is never labeled.
        miou: Mean of ``iou`` over the classes where it is a number.
        macc: Mean of ``acc`` over the classes where it is a number.
        aacc: Share of all labeled pixels that are right.
    """

    iou: tuple[float, ...]
    acc: tuple[float, ...]
    miou: float
    macc: float
    aacc: float

    @classmethod
    def from_matrix(cls, matrix: Int[Tensor, "k k"]) -> Scores:
        """Score a confusion matrix [label, prediction].

        Source:
            mmseg's ``mIoU`` evaluation (golden ``iou``).
        """
        counts = matrix.double().cpu()
        right, labeled, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
        iou = right / (labeled + predicted - right)
        acc = right / labeled
        return cls(
            iou=tuple(iou.tolist()),
            acc=tuple(acc.tolist()),
            miou=float(iou.nanmean()),
            macc=float(acc.nanmean()),
            aacc=float(right.sum() / labeled.sum()),
        )
