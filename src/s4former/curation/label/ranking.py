"""Which images to label next: a model looks at each, and chooses those that teach most and that differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8

from s4former.data.geometry import resize_pixels
from s4former.inference import Model, Prediction
from s4former.inference.device import autocast
from s4former.inference.logits import in_eval
from s4former.types import IGNORE

_FEATURE_SIDE = 224
"""Pixels of an image's longer side at which its features are taken, at most: enough to tell images apart."""
SHOWN_FROM = 0.02
"""Share of its pixels from which on an image counts as showing a class."""
_A_REASON = 0.75
PARTS = ("unsure", "rare", "different")


@dataclass(frozen=True)
class Look:
    """What is remembered of an image once its mask is written.

    Attributes:
        unsure: 1 minus the mean probability of the predicted classes.
        disagreement: Share of the pixels of which a second look says another class.
        shares: Share of the pixels of each class, the larger of both looks.
        feature: Mean of the backbone's last patch tokens, of length 1.
    """

    unsure: float
    disagreement: float
    shares: Float[np.ndarray, " k"]
    feature: Float[np.ndarray, " d"]


def look(model: Model, other: Model | None, image: UInt8[np.ndarray, "h w c"]) -> tuple[Prediction, Look]:
    """Return what a model predicts for an image, and what ranks it among others.

    Args:
        model: The model.
        other: The second one that looks, as the student beside its teacher; none: the model looks at the
            mirrored image.
        image: The image, 8 bits a channel.
    """
    prediction = model.predict(image)
    first = prediction.mask
    if other is None:
        second = model.predict(np.ascontiguousarray(image[:, ::-1])).mask[:, ::-1]
    else:
        second = other.predict(image).mask
    shares = np.maximum(
        *(np.bincount(mask.ravel(), minlength=len(prediction.names)) for mask in (first, second))
    )
    return prediction, Look(
        1 - float(prediction.confidence.mean()),
        float((first != second).mean()),
        shares / first.size,
        feature(model, image),
    )


def feature(model: Model, image: UInt8[np.ndarray, "h w c"]) -> Float[np.ndarray, " d"]:
    """Return the mean of the backbone's last patch tokens of an image, scaled to length 1."""
    patch, (height, width) = model.network.patch_size, image.shape[:2]
    factor = min(1.0, _FEATURE_SIDE / max(height, width))
    size = tuple(max(1, round(factor * side / patch)) * patch for side in (height, width))
    small = np.ascontiguousarray(resize_pixels(image, (size[0], size[1])))
    with in_eval({"model": model.network}), autocast(model.device, model.precision):
        images = torch.from_numpy(small).to(model.device).permute(2, 0, 1)[None].float() / 255
        tokens = model.network.encode(images)[-1].float().mean((0, 2, 3))
    return (tokens / tokens.norm().clamp_min(1e-12)).cpu().numpy()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Known:
    """The images that a person labeled.

    Attributes:
        counts: How many of them show each class.
        features: Feature of each, one a row.
    """

    counts: Int64[np.ndarray, " k"]
    features: Float[np.ndarray, "n d"]


@dataclass(frozen=True)
class Choice:
    """An image to label.

    Attributes:
        index: Its place among the candidates.
        score: Mean of its places in `PARTS`, each from 0 (last of the candidates) to 1 (first).
        places: These places.
        reason: Why, in words.
    """

    index: int
    score: float
    places: dict[str, float]
    reason: str


def choose_next(
    looks: Sequence[Look], known: Known, names: Sequence[str], count: int, parts: Sequence[str] = PARTS
) -> list[Choice]:
    """Return the images to label next, best first.

    One image is chosen after the other, the one with the best mean place in the parts among those that are
    left: ``unsure`` (the model's doubt, and the disagreement of two looks), ``rare`` (it shows classes that
    few labeled and chosen images show) and ``different`` (the distance of its features to the nearest labeled
    or chosen image, as in k-center).

    Args:
        looks: The candidates.
        known: The labeled images.
        names: Class names by index.
        count: How many to choose.
        parts: What counts.
    """
    counts = known.counts.astype(float)
    shows = np.stack([np.minimum(1, each.shares / SHOWN_FROM) for each in looks])
    features = np.stack([each.feature for each in looks])
    unsure = np.array([each.unsure for each in looks])
    doubt = (_places(unsure) + _places(np.array([each.disagreement for each in looks]))) / 2
    distance = np.full(len(looks), 2.0)
    if len(known.features):
        distance = (1 - features @ known.features.T).min(1)
    left, choices = np.ones(len(looks), bool), list[Choice]()
    while left.any() and len(choices) < count:
        rows = np.flatnonzero(left)
        gains = shows[rows] / (1 + counts)
        values = {"unsure": doubt[rows], "rare": gains.sum(1), "different": distance[rows]}
        places = {part: _places(values[part]) for part in parts}
        score = np.mean([*places.values()], axis=0)
        best = int(score.argmax())
        index, own = int(rows[best]), {part: float(place[best]) for part, place in places.items()}
        reason = _reason(own, looks[index], gains[best], known.counts, names)
        choices.append(Choice(index, float(score[best]), own, reason))
        left[index] = False
        counts += shows[index]
        distance = np.minimum(distance, 1 - features @ features[index])
    return choices


def _places(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return each value's place among all, from 0 (the smallest) to 1; equal values share one."""
    ordered = np.sort(values)
    lower, upper = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (lower + upper - 1) / 2 / max(1, len(values) - 1)


def _reason(
    places: dict[str, float],
    look: Look,
    gains: Float[np.ndarray, " k"],
    counts: Int64[np.ndarray, " k"],
    names: Sequence[str],
) -> str:
    """Say why an image was chosen, its best place first; other parts only if they rank high."""
    rare = [int(index) for index in np.argsort(-gains)[:2] if gains[index] > 0]
    shown = " and ".join(f"{names[index]} ({counts[index]} labeled)" for index in rare)
    words = {
        "unsure": f"unsure: {100 - 100 * look.unsure:.0f} % sure on average, two looks disagree on "
        f"{100 * look.disagreement:.0f} % of it",
        "rare": f"may show {shown}",
        "different": "unlike what is labeled or chosen before it",
    }
    order = sorted(places, key=lambda part: -places[part])
    return "; ".join(words[part] for part in order if places[part] >= _A_REASON or part == order[0])


def known_images(
    model: Model, pairs: Iterable[tuple[UInt8[np.ndarray, "h w c"], UInt8[np.ndarray, "h w"]]], classes: int
) -> Known:
    """Return how many labeled images show each class, and their features.

    Args:
        model: The model.
        pairs: Images and their masks.
        classes: How many there are.
    """
    counts, features = np.zeros(classes, np.int64), []
    for image, mask in pairs:
        counts += np.bincount(mask[mask != IGNORE], minlength=classes) >= SHOWN_FROM * mask.size
        features.append(feature(model, image))
    return Known(counts, np.stack(features) if features else np.zeros((0, 1), np.float32))
