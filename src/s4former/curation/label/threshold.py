"""How sure a model has to be of a pixel for its mask to keep it: a threshold for each class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from s4former.inference import Prediction
from s4former.types import IGNORE

RIGHT = 0.95
"""Share of the kept pixels of a class that have to be right on val."""
SAMPLE = 50
"""Images that thresholds are taken from where there are no masks to compare with."""
_LEVELS = 1000
_LEAST = 0.5


@dataclass(frozen=True)
class Thresholds:
    """Thresholds, and where they are from.

    Attributes:
        values: The least probability of a pixel that is kept, by class; above 1: none is.
        rule: Where they are from, a sentence for people.
    """

    values: Float[np.ndarray, " k"]
    rule: str

    def keep(self, prediction: Prediction) -> UInt8[np.ndarray, "h w"]:
        """Return the predicted classes, `IGNORE` where the model is not sure enough."""
        unsure = prediction.confidence < self.values[prediction.mask]
        return np.where(unsure, np.uint8(IGNORE), prediction.mask)


def given(value: float, classes: int) -> Thresholds:
    """Return one threshold for all classes."""
    return Thresholds(np.full(classes, value), f"pixels of a probability of {value:g} or more are kept")


def from_val(pairs: Iterable[tuple[Prediction, UInt8[np.ndarray, "h w"]]], classes: int) -> Thresholds:
    """Return for each class the lowest threshold above which `RIGHT` of the pixels are right.

    A class that never gets there is not kept at all; one that was predicted nowhere has the threshold of all
    classes together.

    Args:
        pairs: Predictions of validation images, and their masks.
        classes: How many there are.
    """
    said, right, images = np.zeros((classes, _LEVELS + 1)), np.zeros((classes, _LEVELS + 1)), 0
    for prediction, mask in pairs:
        known, images = mask != IGNORE, images + 1
        said += _counts(prediction, known, classes)
        right += _counts(prediction, known & (mask == prediction.mask), classes)
    values = np.array([_lowest(*counts) for counts in zip(said, right, strict=True)])
    values = np.where(said.any(1), values, _lowest(said.sum(0), right.sum(0)))
    return Thresholds(
        values,
        f"each class has the lowest threshold above which {100 * RIGHT:.0f} % of its pixels are right on the "
        f"{images} validation images; a class that never gets there is not kept",
    )


def from_quantiles(predictions: Iterable[Prediction], classes: int) -> Thresholds:
    """Return for each class the threshold that keeps the surer half of its pixels, at least `_LEAST`."""
    said, images = np.zeros((classes, _LEVELS + 1)), 0
    for prediction in predictions:
        said += _counts(prediction, np.ones_like(prediction.mask, bool), classes)
        images += 1
    above = said[:, ::-1].cumsum(1)[:, ::-1]
    lowest = (2 * above >= said.sum(1, keepdims=True)).sum(1) - 1  # the highest level with half above it
    values = np.where(said.any(1), np.maximum(lowest / _LEVELS, _LEAST), _LEAST)
    return Thresholds(
        values,
        f"no validation images are known, so the surer half of the pixels of each class in {images} of the "
        f"images is kept, and none below {_LEAST}; how many of them are right is not known",
    )


def _counts(prediction: Prediction, counted: np.ndarray, classes: int) -> Float[np.ndarray, "k levels"]:
    """Return how many pixels of each class have which confidence."""
    levels = (prediction.confidence[counted] * _LEVELS).astype(np.int64)
    flat = prediction.mask[counted] * np.int64(_LEVELS + 1) + levels
    size = classes * (_LEVELS + 1)
    return np.bincount(flat, minlength=size).reshape(classes, -1).astype(float)


def _lowest(said: Float[np.ndarray, " levels"], right: Float[np.ndarray, " levels"]) -> float:
    """Return the lowest threshold above which enough pixels are right; infinity if there is none."""
    above, good = (counts[::-1].cumsum()[::-1] for counts in (said, right))
    enough = np.flatnonzero((said > 0) & (good >= RIGHT * above))
    return float(enough[0]) / _LEVELS if len(enough) else float("inf")
