"""How networks are run and scored, and what ``s4former predict`` is asked for, as data; knows no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from s4former.config.base import Config
from s4former.config.errors import UserError

Precision = Literal["auto", "float32", "bfloat16"]
Size = PositiveInt | tuple[PositiveInt, PositiveInt]
FEW_IMAGES = 10
"""Scores of fewer images than these come with an interval."""
LEAST_IMAGES = 6
"""Fewer images cannot tell which of two networks is better: that all of five get worse is chance in more than
one of 20 cases (2 x 0.5^5 is 0.06)."""


class EvaluateConfig(Config):
    """The protocol: which images, at which size, in one piece or in windows. Scores are at original size."""

    part: Literal["val", "test"] = "val"
    """The images that are scored."""
    mode: Literal["whole", "slide"] = "whole"
    """``whole``: one pass over the image, of up to 65,536 patches (4096 x 4096 pixels in patches of 16);
    ``slide``: the mean of the logits of overlapping windows, for images of any size."""
    short_side: PositiveInt | None = None
    """Pixels that an image's shorter side is brought to for the network; none: its own size."""
    crop_size: Size | None = None
    """Window of ``slide``, a number or height and width; none: the training crop."""
    stride: Size | None = None
    """Step between windows; none: two thirds of the window."""
    scales: tuple[PositiveFloat, ...] = Field((1.0,), min_length=1)
    """Factors of the size at which the network sees an image; with several, probabilities are averaged."""
    flip: bool = False
    """Let the network see each image mirrored too, and average the probabilities."""

    def resolved(self, training_crop: tuple[int, int]) -> EvaluateConfig:
        """Return the same protocol with the numbers of ``slide`` filled in.

        Raises:
            UserError: If the windows would leave gaps.
        """
        if self.mode == "whole":
            return self
        crop = both_sides(self.crop_size or training_crop)
        stride = both_sides(self.stride or tuple(max(1, side * 2 // 3) for side in crop))
        if stride[0] > crop[0] or stride[1] > crop[1]:
            raise UserError(
                f"evaluate.stride={list(stride)} is more than the window, evaluate.crop_size={list(crop)}: "
                "pixels between windows would have no answer; set it to at most that"
            )
        return self.model_copy(update={"crop_size": crop, "stride": stride})


def both_sides(size: int | tuple[int, ...]) -> tuple[int, int]:
    """Return height and width, of which one number means both."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


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
