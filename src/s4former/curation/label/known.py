"""The images that a person labeled, as far as they decide which ones to label next."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import UInt8

from s4former.curation.label.looking import feature
from s4former.curation.label.ranking import SHOWN_FROM, Known
from s4former.inference import Model
from s4former.types import IGNORE


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
