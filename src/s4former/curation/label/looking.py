"""What a model says of an image: its mask, how unsure it is, where two looks disagree, what it is like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from s4former.data.geometry import resize_pixels
from s4former.inference import Model, Prediction
from s4former.inference.device import autocast
from s4former.inference.logits import in_eval

_FEATURE_SIDE = 224
"""Pixels of an image's longer side at which its features are taken, at most: enough to tell images apart."""


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
