"""Pictures of every scored image: masks of class indices, and images with their classes painted over them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Integer
from PIL import Image as PilImage

from s4former.config.record import write_atomically
from s4former.data.display import rgb_view
from s4former.data.sources import Source
from s4former.engine.evaluate import Answers, OnImage, Pixels
from s4former.engine.validate import OpenOnImage


def picture_writer(
    masks: Path | None,
    overlays: Path | None,
    opacity: float = 0.5,
    display_channels: tuple[int, int, int] = (0, 1, 2),
) -> OpenOnImage:
    """Return what writes ``ID.png`` for each image of an evaluation, of the network that was named last.

    Args:
        masks: Folder for palette pictures whose values are class indices; none: don't write them.
        overlays: Folder for images with their classes painted over them; none: don't write them.
        opacity: Share of the class colors in an overlay, from 0 to 1.
        display_channels: Channels of the images that overlays show as red, green and blue.
    """

    def watch(source: Source) -> OnImage:
        palette = [channel for color in source.classes.colors for channel in color]

        def write(
            number: int, id: str, image: Pixels, mask: Integer[np.ndarray, "h w"], answers: Answers
        ) -> None:
            picture = PilImage.fromarray(list(answers.values())[-1])
            picture.putpalette(palette)
            if masks is not None:
                _save(picture, masks / f"{id}.png")
            if overlays is not None:
                shown = PilImage.fromarray(rgb_view(image, display_channels))
                _save(PilImage.blend(shown, picture.convert("RGB"), opacity), overlays / f"{id}.png")

        return write

    return watch


def _save(picture: PilImage.Image, path: Path) -> None:
    write_atomically(path, partial(picture.save, format="PNG"))
