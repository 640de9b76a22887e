"""Pictures of a run on its way: a few evaluated images beside their truth and the prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Integer
from PIL import Image as PilImage

from s4former.config.record import write_atomically
from s4former.data.display import rgb_view
from s4former.inference.logits import Pixels

_GAP = 4
_OVERSAMPLING = 8


class Panel:
    """Collects the first images of an evaluation: a row each of image, truth and prediction.

    Args:
        colors: RGB color of each class; anything else is black.
        display_channels: Channels of the images that are shown as red, green and blue.
        rows: Number of images.
        width: Largest width of a picture in pixels.

    Attributes:
        rows: Number of images that it takes.
    """

    def __init__(
        self,
        colors: tuple[tuple[int, int, int], ...],
        display_channels: tuple[int, int, int] = (0, 1, 2),
        rows: int = 4,
        width: int = 320,
    ) -> None:
        self._palette = np.zeros((256, 3), dtype=np.uint8)
        self._palette[: len(colors)] = colors
        self._display_channels = display_channels
        self.rows, self._width = rows, width
        self._strips: list[PilImage.Image] = []

    def add(self, image: Pixels, *label_maps: Integer[np.ndarray, "h w"]) -> None:
        """Take an image and label maps of its size, unless there are enough."""
        if len(self._strips) >= self.rows:
            return
        step = max(1, image.shape[1] // (_OVERSAMPLING * self._width))  # huge images fit in no picture
        pictures = [PilImage.fromarray(rgb_view(image[::step, ::step], self._display_channels))]
        pictures += [
            PilImage.fromarray(self._palette[labels[::step, ::step].astype(np.uint8)])
            for labels in label_maps
        ]
        factor = min(1.0, self._width / image.shape[1])
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        strip = PilImage.new("RGB", ((size[0] + _GAP) * len(pictures) - _GAP, size[1]), "white")
        for column, picture in enumerate(pictures):
            how = PilImage.Resampling.NEAREST if column else PilImage.Resampling.BILINEAR
            strip.paste(picture.resize(size, how), (column * (size[0] + _GAP), 0))
        self._strips.append(strip)

    def save(self, path: Path) -> None:
        """Write all rows as one PNG; nothing if there is none."""
        if not self._strips:
            return
        width = max(strip.width for strip in self._strips)
        height = sum(strip.height + _GAP for strip in self._strips) - _GAP
        sheet, top = PilImage.new("RGB", (width, height), "white"), 0
        for strip in self._strips:
            sheet.paste(strip, (0, top))
            top += strip.height + _GAP
        write_atomically(path, lambda temporary: sheet.save(temporary, format="PNG"))
