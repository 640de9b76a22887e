"""Pictures of every scored image: masks of class indices, and images with their classes painted over them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Integer
from PIL import Image as PilImage

from s4former.config.record import write_atomically
from s4former.data.sources import Part, Source, part_ids, short_names
from s4former.engine.evaluate import Answers, OnImage, Pixels
from s4former.engine.overlay import PNG_EFFORT, index_picture, overlay_picture
from s4former.engine.validate import OpenOnImage


def picture_writer(
    masks: Path | None,
    overlays: Path | None,
    part: Part,
    opacity: float = 0.5,
    display_channels: tuple[int, int, int] = (0, 1, 2),
) -> OpenOnImage:
    """Return what writes ``NAME.png`` for each image of an evaluation, of the network that was named last.

    An image's name is its id without the folders that all images of the part share.

    Args:
        masks: Folder for palette pictures whose values are class indices; none: don't write them.
        overlays: Folder for images with their classes painted over them; none: don't write them.
        part: The part that is scored.
        opacity: Share of the class colors in an overlay, from 0 to 1.
        display_channels: Channels of the images that overlays show as red, green and blue.
    """

    def watch(source: Source) -> OnImage:
        colors = source.classes.colors
        names = short_names(part_ids(source, part))

        def write(
            number: int, id: str, image: Pixels, mask: Integer[np.ndarray, "h w"], answers: Answers
        ) -> None:
            answer = list(answers.values())[-1]
            if masks is not None:
                _save(index_picture(answer, colors), masks / f"{names[id]}.png")
            if overlays is not None:
                painted = overlay_picture(image, answer, colors, opacity, display_channels)
                _save(painted, overlays / f"{names[id]}.png")

        return write

    return watch


def _save(picture: PilImage.Image, path: Path) -> None:
    write_atomically(path, partial(picture.save, format="PNG", compress_level=PNG_EFFORT))
