"""A trained network in use: the model folder, and predictions at the image's own size."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import overload

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import save
from torch import Tensor

from s4former import collectives
from s4former.config.record import write_atomically, write_json
from s4former.inference.card import CARD, WEIGHTS, ModelCard, model_folder, read_card
from s4former.inference.config import EvaluateConfig
from s4former.inference.device import resolve_device, resolve_precision
from s4former.inference.images import ImageLike, Several, pixels_of
from s4former.inference.logits import (
    MAX_PATCHES,
    Pixels,
    by_size,
    check_image_size,
    in_eval,
    logit_row_chunks,
    seen_at_once,
    stacked,
    whole_patches,
)
from s4former.inference.prediction import Prediction
from s4former.inference.row_chunks import with_rows
from s4former.models import ModelConfig, faster_on_cpu, rebuild_segmenter
from s4former.models.weight_files import read_state, require_finite
from s4former.types import Segmenter

_logger = logging.getLogger(__name__)
_GPU_BATCH = 8
"""A GPU is given so many times the images that a CPU is."""
Answer = tuple[
    slice, UInt8[np.ndarray, "b rows w"], Float[np.ndarray, "b rows w"], Float[Tensor, "b k rows w"]
]
"""Rows of images: which they are, their classes, how sure, and the probabilities of all classes."""


def save_model(folder: Path, network: Segmenter, card: ModelCard) -> None:
    """Write a network, without the parts that only training needs, and its card into ``folder``.

    Of several processes all have to call it, as its weights may be sharded; process 0 writes.

    Raises:
        NumericError: If a weight is a NaN or an infinity; nothing is written then.
    """
    _, state = network.for_inference()
    weights = {name: value.contiguous() for name, value in collectives.assembled(state).items()}
    if collectives.rank() > 0:
        return
    require_finite(weights, f"the network for {folder}")
    write_atomically(folder / WEIGHTS, lambda temporary: temporary.write_bytes(save(weights)))
    write_json(folder / CARD, card.model_dump(mode="json"))


def architecture_of(network: Segmenter) -> ModelConfig:
    """Return the config from which the trained network can be built anew, without auxiliary heads."""
    config, _ = network.for_inference()
    assert isinstance(config, ModelConfig)
    return config


class Model:
    """A trained network, ready to predict.

    Attributes:
        network: The network, in eval mode.
        card: What it is and where it comes from.
        device: Where it computes.
        precision: Format of its products.
    """

    def __init__(
        self, network: Segmenter, card: ModelCard, device: str = "auto", precision: str = "float32"
    ) -> None:
        self.device, self.precision, self.card = resolve_device(device), precision, card
        self.network = network.to(self.device).eval()

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", precision: str | None = None) -> Model:
        """Load a model from a run folder, a model folder or a ``model.safetensors`` with its ``model.json``.

        Args:
            path: Where it is, or ``hf:user/name[@revision]`` on the Hugging Face hub. A run folder stands
                for its ``model``, the network after the last step; ``model_best`` beside it is the one that
                scored best on the way.
            device: Where to compute; ``auto`` is the first CUDA device, else the CPU.
            precision: ``float32`` or ``bfloat16``; none: what training would take on this device.

        Raises:
            UserError: If there is no model there, its files don't belong together, or there is no such device
                or precision.
            NumericError: If a tensor of the weights holds a NaN or an infinity.
        """
        folder = model_folder(Path(path))
        card = read_card(folder)
        state = read_state(folder / WEIGHTS)
        require_finite(state, str(folder / WEIGHTS))
        device = resolve_device(device)
        network = rebuild_segmenter(card.architecture, len(card.names), state)
        faster_on_cpu(network)
        return cls(network, card, device, resolve_precision(precision or "auto", device))

    def __repr__(self) -> str:
        card, architecture = self.card, self.card.architecture
        classes = ", ".join(card.names[:4]) + (" ..." if len(card.names) > 4 else "")
        return (
            f"Model({architecture.backbone.name} with {architecture.head.name}, {len(card.names)} classes: "
            f"{classes}; {card.method['name']}, {card.network} after {card.step} steps; on {self.device})"
        )

    @overload
    def predict(self, image: ImageLike, evaluate: EvaluateConfig | None = None) -> Prediction: ...
    @overload
    def predict(self, image: Several, evaluate: EvaluateConfig | None = None) -> list[Prediction]: ...
    def predict(
        self, image: ImageLike | Several, evaluate: EvaluateConfig | None = None
    ) -> Prediction | list[Prediction]:
        """Segment one image, or each of a list.

        Args:
            image: A file, a PIL picture, an array "h w c" or "h w", or a tensor "c h w", of the channels that
                the model was trained on (mostly RGB; gray will do for RGB). Arrays and tensors are uint8 from
                0 to 255 or floats in [0, 1]; for a model trained with a ``value_range``, all but uint8 are in
                the unit of its files instead. The EXIF rotation of files and pictures is applied. Of a list,
                images of one size are looked at together.
            evaluate: Another protocol than the one the model was scored with. That one takes images of
                more than `MAX_PATCHES` patches in windows, with a warning, whatever its mode is.

        Raises:
            DataError: If the file cannot be read or has other channels.
            UserError: If ``evaluate`` takes an image in one piece that is too large for that.
            TypeError: If it is nothing of that.
            ValueError: If the array is no image of that kind.
        """
        if not isinstance(image, list | tuple):
            return self.predict([image], evaluate)[0]
        pixels = [pixels_of(one, self.card.input) for one in image]
        found: dict[int, Prediction] = {}
        for batch in by_size(range(len(pixels)), lambda number: pixels[number].shape, self.at_once):
            images = stacked([pixels[number] for number in batch])
            masks, confidences = np.empty(images.shape[:3], np.uint8), np.empty(images.shape[:3], np.float32)
            for rows, classes, sure, _ in self.answers(images, evaluate):
                masks[:, rows], confidences[:, rows] = classes, sure
            for number, mask, confidence in zip(batch, masks, confidences, strict=True):
                found[number] = self.prediction(pixels[number], mask, confidence)
        return [found[number] for number in range(len(pixels))]

    def prediction(
        self,
        pixels: Pixels,
        mask: UInt8[np.ndarray, "h w"],
        confidence: Float[np.ndarray, "h w"],
    ) -> Prediction:
        """Return what was found in an image, with the names and colors of the classes."""
        card = self.card
        return Prediction(pixels, mask, confidence, card.names, card.colors, card.input.display_channels)

    def at_once(self, shape: tuple[int, ...]) -> int:
        """Return how many images of a height, width (and channels) are looked at together."""
        at_once = seen_at_once((shape[0], shape[1]), self.card.evaluate, len(self.card.names))
        return at_once if self.device == "cpu" else at_once * _GPU_BATCH

    def answers(
        self, images: UInt8[np.ndarray, "b h w c"], evaluate: EvaluateConfig | None = None
    ) -> Iterator[Answer]:
        """Yield what the network says of images of one size, from top to bottom; see `predict`.

        The windows of images that are too large for one piece are blended, so that no seam shows.
        """
        config = self._moderate(images[0]) if evaluate is None else evaluate
        check_image_size(self.network, images[0], config, "the image")
        config, large = config.resolved(self.card.crop_size), self._is_large(images[0], config)
        row_chunks = with_rows(
            logit_row_chunks(self.network, images, config, self.device, self.precision, blend=large)
        )
        while True:
            with in_eval({"model": self.network}):
                rows, chunk = next(row_chunks, (None, None))
                if rows is None or chunk is None:
                    return
                probabilities = chunk.softmax(1)
                del chunk
                sure, classes = probabilities.max(1)
            yield rows, classes.to(torch.uint8).cpu().numpy(), sure.cpu().numpy(), probabilities
            del probabilities  # before the next rows are made

    def _is_large(self, pixels: Pixels, config: EvaluateConfig) -> bool:
        """Return whether an image is too large for one piece."""
        whole = config.model_copy(update={"mode": "whole"})
        return whole_patches(self.network, pixels, whole) > MAX_PATCHES

    def save_pretrained(
        self, folder: str | Path, *, compare: str | Path | None = None, license: str | None = None
    ) -> list[Path]:
        """Write a folder to share: ``model.json``, ``model.safetensors`` and ``README.md``, a model card.

        No path of yours is in it. `s4former.load` takes the folder, and whatever else takes a MODEL.

        Args:
            folder: Where to; it is made.
            compare: The ``results.json`` of `s4former compare` with this model's run, whose spread is told.
            license: License that you give it, as Hugging Face abbreviates it.

        Raises:
            UserError: If one of the files is there and is none of ours, or ``compare`` doesn't hold the run.
        """
        from s4former.inference.share import save_shared

        return save_shared(self.network, self.card, Path(folder), Path(compare) if compare else None, license)

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool = False,
        compare: str | Path | None = None,
        license: str | None = None,
    ) -> str:
        """Upload what `save_pretrained` writes to the Hugging Face hub, and return its address.

        Args:
            repository: As ``user/name``; it is made if it is not there. `s4former.load` takes
                ``hf:user/name`` then.
            private: Whether a new one is seen by you alone.
            compare: As for `save_pretrained`.
            license: As for `save_pretrained`.

        Raises:
            UserError: If it cannot be done, as without a token.
        """
        from s4former.inference.share import push

        page = {"compare": Path(compare) if compare else None, "license": license}
        return push(self.network, self.card, repository, private, **page)

    def _moderate(self, pixels: Pixels) -> EvaluateConfig:
        """Return the protocol of the card, in windows if the image is too large for one piece."""
        config = self.card.evaluate
        if config.mode == "slide" or not self._is_large(pixels, config):
            return config
        size, crop = (" x ".join(map(str, pair)) for pair in (pixels.shape[:2], self.card.crop_size))
        _logger.warning(
            f"an image of {size} pixels (height x width) is too large for evaluate.mode=whole, with which "
            f"the model was scored; it is looked at in windows of {crop} pixels, blended"
        )
        return config.model_copy(update={"mode": "slide"})
