"""What a model predicts for one image: classes and how sure they are, as arrays and as pictures."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as PilImage

from s4former.config.outputs import Outputs, claim
from s4former.data.split_lists import first_few
from s4former.inference.overlay import gray_picture, index_picture, overlay_picture, with_legend, write_png

_NOTEBOOK_SIDE = 640


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        shares = sorted(((share, name) for name, share in self.shares().items() if share), reverse=True)
        classes = first_few([f"{name} {share:.0%}" for share, name in shares], 4)
        height, width = self.mask.shape
        return f"Prediction({height} x {width}: {classes}; confidence {self.confidence.mean():.2f})"

    def _repr_png_(self) -> bytes:
        """Show it in a notebook: overlay and legend."""
        picture = self.overlay()
        picture.thumbnail((_NOTEBOOK_SIDE, _NOTEBOOK_SIDE))
        shown = [index for index, share in enumerate(self.shares().values()) if share]
        buffer = io.BytesIO()
        with_legend(picture, [(self.names[i], self.colors[i]) for i in shown]).save(buffer, format="PNG")
        return buffer.getvalue()

    def shares(self) -> dict[str, float]:
        """Return the share of the pixels that each class has."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.names))
        return dict(zip(self.names, (counts / self.mask.size).tolist(), strict=True))

    def index_image(self) -> PilImage.Image:
        """Return a palette picture whose pixel values are class indices."""
        return index_picture(self.mask, self.colors)

    def overlay(self, opacity: float = 0.5) -> PilImage.Image:
        """Return the image with its classes painted over it and outlined; at opacity 0, the image."""
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
        kinds = ("", "_overlay", "_confidence") if confidence else ("", "_overlay")
        paths = [Path(folder) / f"{stem}{kind}.png" for kind in kinds]
        outputs = outputs or claim(
            [(path, stem) for path in paths], "picture", instead="give another folder or another stem"
        )
        makers = (self.index_image, self.overlay, lambda: gray_picture(self.confidence))
        for path, make in zip(paths, makers, strict=False):
            # One picture after the other: large ones take gigabytes.
            outputs.write(path, lambda temporary, make=make: write_png(make(), temporary))  # type: ignore[misc]
        return paths
