"""Any kind of image as pixels: files, PIL pictures, arrays and tensors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image as PilImage
from PIL import ImageOps
from torch import Tensor

from s4former.config.errors import DataError, ValueMistake
from s4former.data.sources.decode import decode_image
from s4former.data.sources.values import NoRangeError, channels_last, luma, scaled
from s4former.inference.card import ImageInput
from s4former.inference.logits import Pixels

ImageLike = str | Path | PilImage.Image | Shaped[np.ndarray, "..."] | Tensor
Several = list[ImageLike] | tuple[ImageLike, ...]


def pixels_of(image: ImageLike, taken: ImageInput) -> Pixels:
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
