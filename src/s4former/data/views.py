"""Training crops, and what is drawn for the views of each: color and sharpness, over one shared geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from s4former.augment import LabeledViews, Policy, Views
from s4former.data.config import DataConfig
from s4former.data.crops import Crops, View
from s4former.data.geometry import Geometry, resized_by, sample_geometry
from s4former.ops.randomness import keyed_generator
from s4former.types import DrawKey


@dataclass(frozen=True)
class Around:
    """A window of an image around a crop, and the crop's place in it, as `types.Context` has it."""

    pixels: UInt8[np.ndarray, "h w c"]
    place: tuple[float, ...]


@dataclass(frozen=True)
class Crop:
    """One crop, its padding, and what was drawn for each of its views."""

    pixels: UInt8[np.ndarray, "h w c"]
    valid: Bool[np.ndarray, "h w"]
    drawn: tuple[Any, ...]
    around: Around | None = None


def labeled_crop(
    config: DataConfig,
    views: LabeledViews,
    image: UInt8[np.ndarray, "h w c"],
    mask: UInt8[np.ndarray, "h w"],
    key: DrawKey,
    index: int,
) -> tuple[Crop, UInt8[np.ndarray, "ch cw"]]:
    """Return a random crop of a labeled image, and its labels.

    Args:
        config: How crops are drawn.
        views: How they change in color and sharpness.
        image: The image.
        mask: Its class indices.
        key: Seed and step of the draws.
        index: Place in the global batch.
    """
    generator = keyed_generator(key.seed, "labeled/geometry", key.step, index)
    geometry = sample_geometry(config, (image.shape[0], image.shape[1]), generator, mask)
    generator = keyed_generator(key.seed, "labeled/color", key.step, index)
    drawn = (views.labeled.draw(generator),)
    return Crop(geometry.apply_to_image(image), geometry.valid(), drawn), geometry.apply_to_mask(mask)


def unlabeled_crop(
    config: DataConfig, views: Views, image: UInt8[np.ndarray, "h w c"], key: DrawKey, index: int
) -> Crop:
    """Return a random crop of an unlabeled image, for its weak view and its strong ones.

    What is around it is taken from the image at its own size, or at ``short_side``.
    """

    def drawn(policy: Policy, name: str) -> Any:
        return policy.draw(keyed_generator(key.seed, f"unlabeled/{name}", key.step, index))

    size = image.shape[0], image.shape[1]
    geometry, around = _unlabeled_geometry(config, size, key, index), None
    if views.context:
        height, width = (round(views.context * side) for side in config.crop)
        window, place = geometry.around(resized_by(config, size, 1.0), (height, width))
        around = Around(window.apply_to_image(image), place)
    strong = (drawn(policy, f"strong{number}") for number, policy in enumerate(views.strong))
    drawn_views = (drawn(views.weak, "weak"), *strong)
    return Crop(geometry.apply_to_image(image), geometry.valid(), drawn_views, around)


def unlabeled_truth(
    config: DataConfig, mask: UInt8[np.ndarray, "h w"], key: DrawKey, index: int
) -> UInt8[Tensor, "ch cw"]:
    """Return the same crop of the mask of an unlabeled image, for diagnosis."""
    geometry = _unlabeled_geometry(config, (mask.shape[0], mask.shape[1]), key, index)
    return torch.from_numpy(geometry.apply_to_mask(mask))


def stack(crops: Sequence[Crop], policies: Sequence[Policy]) -> Crops:
    """Return crops as one batch, with the policies that make their views."""
    views = zip(policies, zip(*(crop.drawn for crop in crops), strict=True), strict=True)
    around = [crop.around for crop in crops if crop.around]
    return Crops(
        pixels=torch.from_numpy(np.stack([crop.pixels.transpose(2, 0, 1) for crop in crops])),
        valid=torch.from_numpy(np.stack([crop.valid for crop in crops])),
        views=tuple(View(policy, drawn) for policy, drawn in views),
        windows=tuple(torch.from_numpy(window.pixels.transpose(2, 0, 1)[None].copy()) for window in around),
        places=torch.tensor([window.place for window in around]) if around else None,
    )


def _unlabeled_geometry(config: DataConfig, size: tuple[int, int], key: DrawKey, index: int) -> Geometry:
    generator = keyed_generator(key.seed, "unlabeled/geometry", key.step, index)
    return sample_geometry(config, size, generator)
