"""A trained network in use: the model folder, and predictions at the image's own size."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image as PilImage
from PIL import ImageOps
from safetensors.torch import save
from torch import Tensor

from s4former.config.errors import DataError, ValueMistake
from s4former.config.outputs import Outputs, claim
from s4former.config.record import write_atomically, write_json
from s4former.data.sources.decode import decode_image
from s4former.data.sources.values import NoRangeError, channels_last, luma, scaled
from s4former.inference.card import CARD, WEIGHTS, ImageInput, ModelCard, model_folder, read_card
from s4former.inference.config import EvaluateConfig
from s4former.inference.device import resolve_device, resolve_precision
from s4former.inference.logits import (
    MAX_PATCHES,
    Pixels,
    check_image_size,
    in_eval,
    logit_row_chunks,
    whole_patches,
)
from s4former.inference.overlay import index_picture, overlay_picture, write_png
from s4former.inference.row_chunks import with_rows
from s4former.models import ModelConfig, faster_on_cpu, rebuild_segmenter
from s4former.models.weight_files import read_state, require_finite
from s4former.types import Segmenter

_logger = logging.getLogger(__name__)
ImageLike = str | Path | PilImage.Image | Shaped[np.ndarray, "*any"] | Tensor


def save_model(folder: Path, network: Segmenter, card: ModelCard) -> None:
    """Write a network, without the parts that only training needs, and its card into ``folder``."""
    _, state = network.for_inference()
    weights = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_atomically(folder / WEIGHTS, lambda temporary: temporary.write_bytes(save(weights)))
    write_json(folder / CARD, card.model_dump(mode="json"))


def architecture_of(network: Segmenter) -> ModelConfig:
    """Return the config from which the trained network can be built anew, without auxiliary heads."""
    config, _ = network.for_inference()
    assert isinstance(config, ModelConfig)
    return config


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for one image, at the image's own size.

    Attributes:
        image: The image as the model saw it: upright, 8 bits a channel, mostly RGB.
        mask: Class index of each pixel.
        confidence: Probability of that class, in [0, 1].
        names: Class names by index.
        colors: RGB colors by index.
        display_channels: Channels of the image that pictures show as red, green and blue.
    """

    image: UInt8[np.ndarray, "h w c"]
    mask: UInt8[np.ndarray, "h w"]
    confidence: Float[np.ndarray, "h w"]
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    display_channels: tuple[int, int, int] = (0, 1, 2)

    def index_image(self) -> PilImage.Image:
        """Return a palette picture whose pixel values are class indices."""
        return index_picture(self.mask, self.colors)

    def overlay(self, opacity: float = 0.5) -> PilImage.Image:
        """Return the image with its classes painted over it."""
        return overlay_picture(self.image, self.mask, self.colors, opacity, self.display_channels)

    def save(
        self, folder: str | Path, stem: str, confidence: bool = False, *, outputs: Outputs | None = None
    ) -> list[Path]:
        """Write ``stem.png`` (indices), ``stem_overlay.png`` and, if asked for, ``stem_confidence.png``.

        The confidence is a gray picture: 255 stands for probability 1.

        Args:
            folder: Where to; it is made.
            stem: Name of the image, or its path below the folder, without ending.
            confidence: Also write how sure the model is.
            outputs: Where these files were claimed together with others; by default they are on their own.

        Raises:
            UserError: If one of the files is there and this package did not write it.
        """
        paths = picture_paths(folder, stem, confidence)
        outputs = outputs or claim(
            [(path, stem) for path in paths], "picture", instead="give another folder or another stem"
        )
        for path, make in zip(paths, (self.index_image, self.overlay, self._gray), strict=False):
            # One picture after the other: large ones take gigabytes.
            outputs.write(path, lambda temporary, make=make: write_png(make(), temporary))  # type: ignore[misc]
        return paths

    def _gray(self) -> PilImage.Image:
        gray = np.empty(self.confidence.shape, np.uint8)
        for row, sure in zip(gray, self.confidence, strict=True):
            row[:] = np.round(sure * 255)
        return PilImage.fromarray(gray)


def picture_paths(folder: str | Path, stem: str, confidence: bool = False) -> list[Path]:
    """Return the files that `Prediction.save` writes."""
    kinds = ("", "_overlay", "_confidence") if confidence else ("", "_overlay")
    return [Path(folder) / f"{stem}{kind}.png" for kind in kinds]


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

    def predict(self, image: ImageLike, evaluate: EvaluateConfig | None = None) -> Prediction:
        """Segment one image.

        Args:
            image: A file, a PIL picture, an array "h w c" or "h w", or a tensor "c h w", of the channels that
                the model was trained on (mostly RGB; gray will do for RGB). Arrays and tensors are uint8 from
                0 to 255 or floats in [0, 1]; for a model trained with a ``value_range``, all but uint8 are in
                the unit of its files instead. The EXIF rotation of files and pictures is applied.
            evaluate: Another protocol than the one the model was scored with. That one takes images of
                more than `MAX_PATCHES` patches in windows, with a warning, whatever its mode is.

        Raises:
            DataError: If the file cannot be read or has other channels.
            UserError: If ``evaluate`` takes an image in one piece that is too large for that.
            TypeError: If it is nothing of that.
            ValueError: If the array is no image of that kind.
        """
        pixels = _pixels(image, self.card.input)
        config = self._moderate(pixels) if evaluate is None else evaluate
        check_image_size(self.network, pixels, config, "the image")
        config = config.resolved(self.card.crop_size)
        mask, confidence = np.empty(pixels.shape[:2], np.uint8), np.empty(pixels.shape[:2], np.float32)
        with in_eval({"model": self.network}):
            row_chunks = logit_row_chunks(self.network, pixels[None], config, self.device, self.precision)
            for rows, chunk in with_rows(row_chunks):
                sure, classes = chunk[0].softmax(0).max(0)
                mask[rows] = classes.to(torch.uint8).cpu().numpy()
                confidence[rows] = sure.cpu().numpy()
        return Prediction(
            pixels,
            mask,
            confidence,
            self.card.names,
            self.card.colors,
            self.card.input.display_channels,
        )

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
        if whole_patches(self.network, pixels, config) <= MAX_PATCHES:
            return config
        size, crop = (" x ".join(map(str, pair)) for pair in (pixels.shape[:2], self.card.crop_size))
        _logger.warning(
            f"an image of {size} pixels (height x width) is too large for evaluate.mode=whole, with which "
            f"the model was scored; it is looked at in windows of {crop} pixels (evaluate.mode=slide)"
        )
        return config.model_copy(update={"mode": "slide"})


def _pixels(image: ImageLike, taken: ImageInput) -> Pixels:
    """Return the upright pixels of any kind of image, 8 bits each, as training files are read."""
    try:
        return _read(image, taken)
    except NoRangeError as error:
        raise DataError(
            f"{error.found}, but the model was trained on images of 8 bits a channel; save it as one of those"
        ) from None


def _read(image: ImageLike, taken: ImageInput) -> Pixels:
    if isinstance(image, str | Path):
        return decode_image(Path(image), taken.channels, taken.value_range)
    if isinstance(image, PilImage.Image):
        return _picture_pixels(ImageOps.exif_transpose(image), taken)
    if isinstance(image, Tensor):
        image = (image.float() if image.is_floating_point() else image).detach().cpu().numpy()
        image = np.moveaxis(image, 0, 2) if image.ndim == 3 else image
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"expected one image: a path, a PIL picture, an array or a tensor, got a {type(image).__name__}"
        )
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2:] == (1,) and taken.channels == 3:
        image = np.repeat(image, 3, axis=2)
    if image.ndim != 3 or image.shape[2] != taken.channels or 0 in image.shape:
        c = taken.channels
        flat = " or h x w" if c in (1, 3) else ""
        raise ValueMistake(
            f"expected an image h x w x {c} (a tensor {c} x h x w){flat}, got shape {image.shape}"
        )
    if image.dtype == np.uint8 or (taken.value_range and image.dtype.kind in "uif"):
        return scaled(image, taken.value_range, "the image")
    if image.dtype.kind != "f" or not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
        raise ValueMistake(
            f"expected uint8 from 0 to 255 or floats in [0, 1], got {image.dtype} {_range(image)}"
        )
    return np.round(image * 255).astype(np.uint8)


def _picture_pixels(picture: PilImage.Image, taken: ImageInput) -> Pixels:
    if taken.channels not in (1, 3) or picture.mode.startswith(("I", "F")):
        values = channels_last(np.array(picture), taken.channels, "the picture", bands_last=True)
        return scaled(values, taken.value_range, "the picture")
    pixels = np.array(picture.convert("RGB"))
    return pixels if taken.channels == 3 else luma(pixels)


def _range(image: Shaped[np.ndarray, "*any"]) -> str:
    low, high = float(image.min()), float(image.max())
    return "with NaN" if math.isnan(low) or math.isnan(high) else f"from {low:g} to {high:g}"
