"""Pictures of every scored image: masks of class indices, and images with their classes painted over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Integer
from PIL import Image as PilImage

from s4former.config.outputs import claim
from s4former.data.sources import Source, Split, short_names, split_ids
from s4former.inference.logits import Pixels
from s4former.inference.overlay import index_picture, overlay_picture, require_opacity, write_png
from s4former.inference.scoring import OpenPictures, Pictures, Predictions


def picture_writer(
    masks: Path | None,
    overlays: Path | None,
    split: Split,
    opacity: float = 0.5,
    display_channels: tuple[int, int, int] = (0, 1, 2),
) -> OpenPictures:
    """Return what writes ``NAME.png`` for each image of an evaluation, of the network that was named last.

    An image's name is its id without the folders that all images of the split share.

    All files are claimed when the data is opened: before the first image is looked at.

    Args:
        masks: Folder for palette pictures whose values are class indices; none: don't write them.
        overlays: Folder for images with their classes painted over them; none: don't write them.
        split: The split that is scored.
        opacity: Share of the class colors in an overlay, from 0 to 1.
        display_channels: Channels of the images that overlays show as red, green and blue.

    Raises:
        UserError: If the opacity is not from 0 to 1, or later, if a file would be lost.
    """
    require_opacity(opacity)

    def watch(source: Source) -> Pictures:
        colors = source.classes.colors
        names = short_names(split_ids(source, split))
        kinds = [("mask", masks), ("overlay", overlays)]
        wanted = [(folder, f"the {kind} of") for kind, folder in kinds if folder is not None]
        outputs = claim(
            [
                (folder / f"{name}.png", f"{what} {name}")
                for folder, what in wanted
                for name in names.values()
            ],
            "picture",
            instead="choose another folder for the pictures",
        )

        def save(folder: Path | None, id: str, picture: PilImage.Image) -> None:
            if folder is not None:
                outputs.write(folder / f"{names[id]}.png", lambda temporary: write_png(picture, temporary))

        def write(id: str, image: Pixels, mask: Integer[np.ndarray, "h w"], answers: Predictions) -> None:
            answer = list(answers.values())[-1]
            save(masks, id, index_picture(answer, colors))
            if overlays is not None:
                save(overlays, id, overlay_picture(image, answer, colors, opacity, display_channels))

        return Pictures(write)

    return watch
