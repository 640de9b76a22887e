"""Training samples: a crop with its labels, or several views of one crop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from s4former.augment import LabeledViews, Picture, Policy, Views
from s4former.data.config import DataConfig
from s4former.data.geometry import sample_geometry
from s4former.ops.randomness import keyed_generator
from s4former.types import DrawKey


@dataclass(frozen=True)
class LabeledSample:
    """One labeled crop."""

    image: Picture
    labels: UInt8[Tensor, "h w"]
    valid: Bool[Tensor, "h w"]


@dataclass(frozen=True)
class UnlabeledSample:
    """Views of one unlabeled crop; they differ in color and sharpness only."""

    weak: Picture
    strong: tuple[Picture, ...]
    valid: Bool[Tensor, "h w"]


def labeled_sample(
    config: DataConfig,
    views: LabeledViews,
    image: UInt8[np.ndarray, "h w c"],
    mask: UInt8[np.ndarray, "h w"],
    key: DrawKey,
    index: int,
) -> LabeledSample:
    """Return a random crop of a labeled image.

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
    picture, valid = _to_tensor(geometry.apply_to_image(image)), torch.from_numpy(geometry.valid())
    generator = keyed_generator(key.seed, "labeled/color", key.step, index)
    picture = _changed(views.labeled, picture, valid, generator)
    labels = torch.from_numpy(geometry.apply_to_mask(mask))
    return LabeledSample(picture, labels, valid)


def unlabeled_sample(
    config: DataConfig, views: Views, image: UInt8[np.ndarray, "h w c"], key: DrawKey, index: int
) -> UnlabeledSample:
    """Return the weak and the strong views of one random crop of an unlabeled image."""
    generator = keyed_generator(key.seed, "unlabeled/geometry", key.step, index)
    geometry = sample_geometry(config, (image.shape[0], image.shape[1]), generator)
    picture, valid = _to_tensor(geometry.apply_to_image(image)), torch.from_numpy(geometry.valid())

    def view(policy: Policy, name: str) -> Picture:
        generator = keyed_generator(key.seed, f"unlabeled/{name}", key.step, index)
        return _changed(policy, picture, valid, generator)

    strong = tuple(view(policy, f"strong{number}") for number, policy in enumerate(views.strong))
    return UnlabeledSample(view(views.weak, "weak"), strong, valid)


def unlabeled_truth(
    config: DataConfig, mask: UInt8[np.ndarray, "h w"], key: DrawKey, index: int
) -> UInt8[Tensor, "ch cw"]:
    """Return the same crop of the mask of an unlabeled image, for diagnosis."""
    generator = keyed_generator(key.seed, "unlabeled/geometry", key.step, index)
    geometry = sample_geometry(config, (mask.shape[0], mask.shape[1]), generator)
    return torch.from_numpy(geometry.apply_to_mask(mask))


def _to_tensor(image: UInt8[np.ndarray, "h w c"]) -> Picture:
    channels_first = np.ascontiguousarray(image.transpose(2, 0, 1))
    return torch.from_numpy(channels_first).float().div_(255)


def _changed(
    policy: Policy, picture: Picture, valid: Bool[Tensor, "h w"], generator: np.random.Generator
) -> Picture:
    """Return what a policy makes of a crop, whose padding keeps its color."""
    changed = policy(picture, generator)
    return changed if bool(valid.all()) else torch.where(valid, changed, picture)
