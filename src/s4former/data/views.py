"""Training samples: a crop with its labels, or several views of one crop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from s4former.data.config import DataConfig
from s4former.data.geometry import sample_geometry
from s4former.ops.photometric import distort, random_blur, random_grayscale
from s4former.ops.randomness import keyed_generator
from s4former.types import DrawKey

Picture = Float[Tensor, "c h w"]


@dataclass(frozen=True)
class LabeledSample:
    """One labeled crop."""

    image: Picture
    labels: Int64[Tensor, "h w"]
    valid: Bool[Tensor, "h w"]


@dataclass(frozen=True)
class UnlabeledSample:
    """Views of one unlabeled crop; they differ in color and sharpness only."""

    weak: Picture
    strong: tuple[Picture, ...]
    valid: Bool[Tensor, "h w"]


def labeled_sample(
    config: DataConfig,
    image: UInt8[np.ndarray, "h w c"],
    mask: UInt8[np.ndarray, "h w"],
    key: DrawKey,
    index: int,
) -> LabeledSample:
    """Return a random crop of a labeled image.

    Args:
        config: How crops are drawn.
        image: The image.
        mask: Its class indices.
        key: Seed and step of the draws.
        index: Place in the global batch.
    """
    generator = keyed_generator(key.seed, "labeled/geometry", key.step, index)
    geometry = sample_geometry(config, (image.shape[0], image.shape[1]), generator, mask)
    picture, valid = _to_tensor(geometry.apply_to_image(image)), torch.from_numpy(geometry.valid())
    if config.labeled_distortion:
        generator = keyed_generator(key.seed, "labeled/color", key.step, index)
        picture = _repad(distort(picture, generator), picture, valid)
    labels = torch.from_numpy(geometry.apply_to_mask(mask).astype(np.int64))
    return LabeledSample(picture, labels, valid)


def unlabeled_sample(
    config: DataConfig, image: UInt8[np.ndarray, "h w c"], num_strong: int, key: DrawKey, index: int
) -> UnlabeledSample:
    """Return a weak and ``num_strong`` strong views of one random crop of an unlabeled image."""
    generator = keyed_generator(key.seed, "unlabeled/geometry", key.step, index)
    geometry = sample_geometry(config, (image.shape[0], image.shape[1]), generator)
    picture, valid = _to_tensor(geometry.apply_to_image(image)), torch.from_numpy(geometry.valid())
    strong = tuple(
        _repad(
            _strengthen(config, picture, keyed_generator(key.seed, f"unlabeled/strong{i}", key.step, index)),
            picture,
            valid,
        )
        for i in range(num_strong)
    )
    weak = picture
    if config.weak_distortion:
        generator = keyed_generator(key.seed, "unlabeled/weak", key.step, index)
        weak = _repad(distort(picture, generator), picture, valid)
    return UnlabeledSample(weak, strong, valid)


def _strengthen(config: DataConfig, picture: Picture, generator: np.random.Generator) -> Picture:
    if config.strong_distortion:
        picture = distort(picture, generator)
    if picture.shape[0] == 3:
        picture = random_grayscale(picture, generator, config.grayscale_probability)
    return random_blur(picture, generator, config.blur_probability, config.blur_range)


def _to_tensor(image: UInt8[np.ndarray, "h w c"]) -> Picture:
    channels_first = np.ascontiguousarray(image.transpose(2, 0, 1))
    return torch.from_numpy(channels_first).float().div_(255)


def _repad(picture: Picture, before: Picture, valid: Bool[Tensor, "h w"]) -> Picture:
    """Give padding its color back, which the views' changes have altered too."""
    return picture if bool(valid.all()) else torch.where(valid, picture, before)
