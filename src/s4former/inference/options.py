"""What ``s4former predict`` is asked for; knows no torch."""

from __future__ import annotations

from pathlib import Path

from s4former.config.base import Config
from s4former.config.errors import UserError


class Options(Config):
    """What is written of each image, and how the network looks at it."""

    overlay: bool = True
    """The image with its classes painted over it."""
    confidence: bool = False
    """How sure the model is, as a gray picture."""
    probs: bool = False
    """Probabilities of all classes."""
    flip: bool = False
    """Look at each image mirrored, too."""
    scales: tuple[float, ...] = (1.0,)
    """Look at each image at these sizes."""

    def places(self, out: Path, stem: str, suffix: str = ".png") -> list[Path]:
        """Return the files that are written of an image.

        Args:
            out: The folder.
            stem: The image's name in it.
            suffix: Ending of the pictures.
        """
        kinds = [("", True), ("_overlay", self.overlay), ("_confidence", self.confidence)]
        pictures = [out / f"{stem}{kind}{suffix}" for kind, wanted in kinds if wanted]
        return [*pictures, out / f"{stem}_probabilities.npz"] if self.probs else pictures


def parse_tta(text: str | None) -> tuple[bool, tuple[float, ...]]:
    """Return whether to flip, and the sizes, that ``flip,0.75,1.25`` means; the image as it is comes first.

    Raises:
        UserError: If it means nothing of that.
    """
    flip, scales = False, [1.0]
    for word in filter(None, (text or "").split(",")):
        if word.strip() == "flip":
            flip = True
            continue
        try:
            scale = float(word)
        except ValueError:
            scale = 0.0
        if not 0.1 <= scale <= 10:
            raise UserError(
                f"--tta {text}: {word!r} is neither flip nor a factor of the size from 0.1 to 10; type it as "
                "in --tta flip,0.75,1.25"
            )
        scales.append(scale)
    return flip, tuple(dict.fromkeys(scales))
