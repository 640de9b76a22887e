"""What a model finds in images of one size, and the files that are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float16, Int64, UInt8
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.config.outputs import Outputs
from s4former.inference.config import Options
from s4former.inference.geotiff import GeoReference
from s4former.inference.logits import Pixels, stacked
from s4former.inference.overlay import index_picture, overlay_picture, overlay_rows, write_png, write_png_rows
from s4former.inference.predict import Model
from s4former.inference.records import ImageRecord
from s4former.types import IGNORE

_MAX_PROBABILITIES = 2**31


@dataclass(frozen=True)
class ToPredict:
    """An image that was read.

    Attributes:
        stem: Its name in the output folder.
        file: Where it is from.
        key: What its record is found by.
        pixels: Its pixels.
        geo: Where on earth it lies, if it says so.
        valid: Which pixels hold something; none: all of them do.
    """

    stem: str
    file: str
    key: str
    pixels: Pixels
    geo: GeoReference | None = None
    valid: Bool[np.ndarray, "h w"] | None = None


@dataclass(frozen=True)
class Found:
    """What was found in one image.

    Attributes:
        mask: Class indices; `IGNORE` where the image holds nothing.
        gray: The confidence, 255 for probability 1, if it is wanted.
        probabilities: Of all classes, if they are wanted.
        pixels: Pixels of each class.
        confidence: Sum of the confidence over them.
    """

    mask: UInt8[np.ndarray, "h w"]
    gray: UInt8[np.ndarray, "h w"] | None
    probabilities: Float16[np.ndarray, "k h w"] | None
    pixels: Int64[np.ndarray, " k"]
    confidence: Float[np.ndarray, " k"]


def look(model: Model, images: Sequence[ToPredict], options: Options) -> list[Found]:
    """Return what a model finds in images of one size.

    Raises:
        DataError: If all probabilities of an image would fill the memory.
    """
    pixels, k = stacked([image.pixels for image in images]), len(model.card.names)
    shape = pixels.shape[:3]
    if options.probs and 2 * k * shape[1] * shape[2] > _MAX_PROBABILITIES:
        gib = 2 * k * shape[1] * shape[2] / 2**30
        raise DataError(f"{images[0].file}: --probs would take {gib:.1f} GiB; leave it out, or cut the image")
    masks = np.empty(shape, np.uint8)
    grays = np.empty(shape, np.uint8) if options.confidence else [None] * len(images)
    every = np.empty((shape[0], k, *shape[1:]), np.float16) if options.probs else [None] * len(images)
    counts, sums = np.zeros((shape[0], 256), np.int64), np.zeros((shape[0], 256))
    for rows, classes, sure, probabilities in model.answers(pixels):
        for number, image in enumerate(images):
            own = classes[number]
            if image.valid is not None:
                own = np.where(image.valid[rows], own, np.uint8(IGNORE))
            masks[number, rows] = own
            counts[number] += np.bincount(own.ravel(), minlength=256)
            sums[number] += np.bincount(own.ravel(), sure[number].ravel(), minlength=256)
        if options.confidence:
            grays[:, rows] = np.round(sure * 255)  # type: ignore[call-overload]
        if options.probs:
            every[:, :, rows] = probabilities.half().cpu().numpy()  # type: ignore[call-overload]
        del probabilities
    return [Found(*one) for one in zip(masks, grays, every, counts[:, :k], sums[:, :k], strict=True)]


def write(
    image: ToPredict, found: Found, model: Model, options: Options, outputs: Outputs, out: Path
) -> ImageRecord:
    """Write the files of an image, one after the other (large ones take gigabytes); return its record."""
    card, suffix = model.card, ".tif" if image.geo else ".png"
    mask, *others = options.places(out, image.stem, suffix)
    if image.geo:
        geo = image.geo
        outputs.write(mask, lambda path: geo.write(path, found.mask, card.colors))
    else:
        outputs.write(mask, lambda path: write_png(index_picture(found.mask, card.colors), path))
    if options.overlay:
        outputs.write(others.pop(0), lambda path: _write_overlay(image, found, model, path))
    if found.gray is not None:
        gray = found.gray
        outputs.write(others.pop(0), lambda path: _write_gray(image, gray, path))
    if found.probabilities is not None:
        outputs.write(others.pop(0), lambda path: _write_probabilities(path, found, card.names))
    return ImageRecord(
        image.stem,
        image.file,
        mask.relative_to(out).as_posix(),
        found.mask.shape,
        found.pixels.tolist(),
        found.confidence.round(3).tolist(),
        image.geo.square_meters if image.geo else None,
    )


def painted(image: ToPredict, found: Found, model: Model) -> PilImage.Image:
    """Return the image with its classes painted over it; where it holds nothing, black."""
    return overlay_picture(*_to_paint(image, found, model))


def _to_paint(image: ToPredict, found: Found, model: Model) -> tuple[Any, ...]:
    colors = [*model.card.colors, *[(0, 0, 0)] * (256 - len(model.card.colors))]
    return image.pixels, found.mask, colors, 0.5, model.card.input.display_channels


def _write_overlay(image: ToPredict, found: Found, model: Model, path: Path) -> None:
    rows = overlay_rows(*_to_paint(image, found, model))
    height, width = found.mask.shape
    if image.geo:
        image.geo.write_rows(path, rows, (width, height))
    else:
        write_png_rows((band for _, band in rows), (width, height), path)


def _write_gray(image: ToPredict, gray: UInt8[np.ndarray, "h w"], path: Path) -> None:
    if image.geo:
        image.geo.write(path, gray)
    else:
        write_png(PilImage.fromarray(gray), path)


def _write_probabilities(path: Path, found: Found, names: Sequence[str]) -> None:
    assert found.probabilities is not None
    with path.open("wb") as file:
        np.savez_compressed(file, probabilities=found.probabilities, names=np.array(names))
