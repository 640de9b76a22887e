"""Random resizing, cropping and flipping: one draw, applied to an image and to its mask."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, Shaped, UInt8
from PIL import Image as PilImage

from s4former.data.config import DataConfig
from s4former.types import IGNORE

PADDING_COLOR = (124, 116, 104)
"""RGB of pixels beyond an image: the mean color of ImageNet, so about 0 once a network has normalized it.
Images of other than three channels are padded with the mean of what the crop shows of them."""

_CROP_ATTEMPTS = 10


@dataclass(frozen=True)
class Geometry:
    """A crop of a resized image, all in pixels; nothing else is random about it.

    Attributes:
        resized: Height and width of the whole image after resizing.
        top: First row of the crop in the resized image.
        left: First column of the crop in the resized image.
        crop: Height and width of the crop; where the resized image is smaller, the rest is padding at the
            bottom and on the right.
        flip: Whether the picture is mirrored left to right.
    """

    resized: tuple[int, int]
    top: int
    left: int
    crop: tuple[int, int]
    flip: bool

    @property
    def visible(self) -> tuple[int, int]:
        """Height and width of the part of the crop that shows the image."""
        return min(self.crop[0], self.resized[0]), min(self.crop[1], self.resized[1])

    def apply_to_image(self, image: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "ch cw c"]:
        """Return the crop of an image, resized bilinearly with antialiasing.

        Only the crop is computed: it equals the crop of the whole resized image.
        """
        (height, width), (rows, cols) = image.shape[:2], self.visible
        y0, y1 = (row * height / self.resized[0] for row in (self.top, self.top + rows))
        x0, x1 = (col * width / self.resized[1] for col in (self.left, self.left + cols))
        top, bottom = _with_margin(y0, y1, height, self.resized[0])
        left, right = _with_margin(x0, x1, width, self.resized[1])
        box = (x0 - left, y0 - top, x1 - left, y1 - top)
        resized = resize_pixels(image[top:bottom, left:right], (rows, cols), box)
        # Channels first, as batches have them: numpy mirrors such rows four times as fast.
        crop = np.empty((image.shape[2], *self.crop), dtype=np.uint8)
        crop[:, :rows, :cols] = (resized[:, ::-1] if self.flip else resized).transpose(2, 0, 1)
        if self.visible != self.crop:
            color = PADDING_COLOR if image.shape[2] == 3 else np.rint(resized.mean((0, 1)))
            crop[:, rows:] = crop[:, :, cols:] = np.reshape(color, (-1, 1, 1))
        return crop.transpose(1, 2, 0)

    def apply_to_mask(self, mask: Shaped[np.ndarray, "h w"]) -> Shaped[np.ndarray, "ch cw"]:
        """Return the crop of a mask; each pixel takes the value below its center, padding is `IGNORE`."""
        rows, cols = self.visible
        y = _nearest(self.top, rows, mask.shape[0], self.resized[0])
        x = _nearest(self.left, cols, mask.shape[1], self.resized[1])
        padded = np.full(self.crop, IGNORE, dtype=mask.dtype)
        padded[:rows, :cols] = mask.take(y, axis=0).take(x[::-1] if self.flip else x, axis=1)
        return padded

    def around(self, whole: tuple[int, int], sides: tuple[int, int]) -> tuple[Geometry, tuple[float, ...]]:
        """Return a window around what the crop shows, and where in it that is.

        Args:
            whole: Height and width that the whole image is resized to for the window.
            sides: Height and width of the window in pixels; it has more where the crop shows more, and less
                where the image ends.

        Returns:
            The window, not mirrored, and the crop's place in it, as `types.Context` has it.
        """
        firsts, lengths, corners, steps = [], [], [], []
        for start, shown, resized, size, side in zip(
            (self.top, self.left), self.visible, self.resized, whole, sides, strict=True
        ):
            step = size / resized
            length = min(size, max(side, -(-shown * size // resized)))  # rounded up
            first = min(max(round((start + shown / 2) * step - length / 2), 0), size - length)
            firsts.append(first)
            lengths.append(length)
            corners.append(start * step - first)
            steps.append(step)
        if self.flip:
            corners[1] += self.visible[1] * steps[1]
            steps[1] = -steps[1]
        window = Geometry(whole, firsts[0], firsts[1], (lengths[0], lengths[1]), flip=False)
        return window, (*corners, *steps)

    def valid(self) -> Bool[np.ndarray, "ch cw"]:
        """Return where the crop shows the image: False on padding."""
        inside = np.zeros(self.crop, dtype=bool)
        inside[: self.visible[0], : self.visible[1]] = True
        return inside


def resize_pixels(
    image: UInt8[np.ndarray, "h w c"],
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
) -> UInt8[np.ndarray, "rh rw c"]:
    """Resize an image of any number of channels bilinearly, antialiased where it shrinks.

    Args:
        image: The image; its channels don't mix.
        size: Height and width of the result.
        box: Left, top, right and bottom border of the part that is resized, in pixels; none: all of it.
    """
    shape, how = (size[1], size[0]), PilImage.Resampling.BILINEAR
    if image.shape[2] == 3:
        return np.array(PilImage.fromarray(image).resize(shape, how, box=box))
    channels = [PilImage.fromarray(image[..., index]) for index in range(image.shape[2])]
    return np.stack([np.asarray(channel.resize(shape, how, box=box)) for channel in channels], axis=2)


def sample_geometry(
    config: DataConfig,
    size: tuple[int, int],
    generator: np.random.Generator,
    mask: UInt8[np.ndarray, "h w"] | None = None,
) -> Geometry:
    """Draw the geometry of one training crop.

    Args:
        config: Crop size, range of the resizing, probability of a flip.
        size: Height and width of the image in pixels.
        generator: Where the draws come from.
        mask: Class indices of a labeled image: crops that one class dominates are drawn again.

    Source: mmsegmentation's ``Resize(ratio_range)``, ``RandomCrop(cat_max_ratio)`` and ``RandomFlip``, in
    that order. **We differ:** factors are relative to the image (or to ``short_side``), not to one size for
    all images; images are antialiased when they shrink; a crop without any label is not drawn again.
    """
    resized = resized_by(config, size, generator.uniform(*config.resize_range))
    flip = bool(generator.random() < config.flip_probability)
    geometry = _place(resized, config.crop, flip, generator)
    if mask is None or config.crop_max_class_share >= 1:
        return geometry
    for _ in range(_CROP_ATTEMPTS):
        if not _dominated(geometry.apply_to_mask(mask), config.crop_max_class_share):
            break
        geometry = _place(resized, config.crop, flip, generator)
    return geometry


def resized_by(config: DataConfig, size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Return the height and width of an image that is resized by a factor, of its ``short_side`` if set."""
    if config.short_side is not None:
        factor *= config.short_side / min(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _place(
    resized: tuple[int, int], crop: tuple[int, int], flip: bool, generator: np.random.Generator
) -> Geometry:
    top = int(generator.integers(max(resized[0] - crop[0], 0), endpoint=True))
    left = int(generator.integers(max(resized[1] - crop[1], 0), endpoint=True))
    return Geometry(resized, top, left, crop, flip)


def _dominated(labels: UInt8[np.ndarray, "h w"], share: float) -> bool:
    counts = np.bincount(labels.reshape(-1), minlength=IGNORE + 1)[:IGNORE]
    return bool(counts.max() > share * counts.sum())


def _with_margin(start: float, stop: float, size: int, resized: int) -> tuple[int, int]:
    """Return the source pixels that resizing ``start`` to ``stop`` reads: the filter reaches beyond both."""
    reach = math.ceil(max(1.0, size / resized)) + 1
    return max(0, math.floor(start) - reach), min(size, math.ceil(stop) + reach)


def _nearest(first: int, count: int, size: int, resized: int) -> Int64[np.ndarray, " n"]:
    """Return which of ``size`` source pixels lies below the center of each resized pixel, exactly."""
    return (2 * np.arange(first, first + count, dtype=np.int64) + 1) * size // (2 * resized)
