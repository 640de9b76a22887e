"""What was predicted of each image, written down as it is done: a second call goes on from there.

``.s4former-predict*.jsonl`` in the folder has a line for each image or video that is complete; each process
writes a file of its own. A line counts for the same model, options and unchanged file only. Of all images
together there are tables of areas (CSV) and masks as COCO json.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image as PilImage

from s4former.config.errors import UserError
from s4former.config.regular import append, not_ours, read_text
from s4former.inference.card import CARD, WEIGHTS
from s4former.inference.config import Options

_NAME = ".s4former-predict{}.jsonl"
COLUMNS = ("image", "file", "class", "pixels", "share", "square_meters", "confidence")


@dataclass(frozen=True)
class ImageRecord:
    """What was found in one image, or in a frame of a video.

    Attributes:
        name: Its path below the output folder, without ending.
        file: What it was made of.
        mask: The mask's file, below the output folder.
        size: Height and width.
        pixels: Pixels of each class.
        confidence: Sum of the confidence over them.
        square_meters: Area of a pixel, if that is known.
    """

    name: str
    file: str
    mask: str
    size: Sequence[int]
    pixels: Sequence[int]
    confidence: Sequence[float]
    square_meters: float | None = None

    @property
    def mean_confidence(self) -> float:
        """Mean confidence of all pixels that have a class."""
        return sum(self.confidence) / max(1, sum(self.pixels))


class Records:
    """The lines of a folder."""

    def __init__(self, out: Path) -> None:
        self._out, self._lock = out, Lock()

    def read(self) -> dict[str, tuple[ImageRecord, ...]]:
        """Return what is complete, by key; a line that is cut is not.

        Raises:
            UserError: If nothing may be added to what is there, as it is a link to another file.
        """
        paths = sorted(self._out.glob(_NAME.format("*")))
        if problem := next(filter(None, map(not_ours, paths)), None):
            raise UserError(f"nothing was written: {problem}")
        return dict(line for path in paths for line in _lines(path))

    def add(self, key: str, images: list[ImageRecord], process: int = 0) -> None:
        """Note that an image or a video is complete."""
        line = json.dumps({"key": key, "images": [asdict(image) for image in images]})
        path = self._out / _NAME.format(f"-{process}" if process else "")
        with self._lock:
            append(path, line.encode())


def _lines(path: Path) -> Iterator[tuple[str, tuple[ImageRecord, ...]]]:
    for line in read_text(path, errors="replace").splitlines():
        try:
            content = json.loads(line)
            yield content["key"], tuple(ImageRecord(**image) for image in content["images"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


def model_checksum(folder: Path) -> str:
    """Return what tells a model from any other."""
    digest = hashlib.sha256()
    for name in (WEIGHTS, CARD):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def key_of(model: str, options: Options, stem: str, path: Path) -> str:
    """Return what tells a prediction from any other: another model, other options, another file."""
    found = path.stat()
    file = [stem, str(path.resolve()), found.st_size, found.st_mtime_ns]
    parts = [model, options.model_dump(mode="json"), *file]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def csv_text(records: Sequence[ImageRecord], names: Sequence[str]) -> str:
    """Return the area of each class in each image: a line for each, also where it is zero."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        total = max(1, sum(record.pixels))
        for name, pixels, sure in zip(names, record.pixels, record.confidence, strict=True):
            meters = "" if record.square_meters is None else f"{pixels * record.square_meters:.6g}"
            confidence = f"{sure / pixels:.4f}" if pixels else ""
            row = (record.name, record.file, name, pixels, f"{pixels / total:.6f}", meters, confidence)
            writer.writerow(row)
    return text.getvalue()


def require_pycocotools() -> None:
    """Make sure that run lengths can be written.

    Raises:
        UserError: If pycocotools is not installed.
    """
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError:
        raise UserError(
            "--coco needs pycocotools, which is not installed; type pip install 's4former[formats]'"
        ) from None


def coco_text(records: Sequence[ImageRecord], names: Sequence[str], out: Path) -> str:
    """Return COCO json: an annotation for each class in each image, its pixels as run lengths.

    The id of a category is the value in the masks plus 1, as tools take 0 for background. ``score`` is the
    mean confidence.
    """
    from pycocotools import mask as coco

    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, record in enumerate(records, 1):
        height, width = record.size
        images.append({"id": number, "file_name": Path(record.file).name, "height": height, "width": width})
        with PilImage.open(out / record.mask) as picture:
            mask = np.asarray(picture)
        for index, pixels in enumerate(record.pixels):
            if not pixels:
                continue
            runs = coco.encode(np.asfortranarray(mask == index))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": index + 1,
                    "segmentation": {"size": [height, width], "counts": runs["counts"].decode("ascii")},
                    "area": pixels,
                    "bbox": coco.toBbox(runs).tolist(),
                    "iscrowd": 0,
                    "score": round(record.confidence[index] / pixels, 4),
                }
            )
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(names)]
    return json.dumps({"images": images, "categories": categories, "annotations": annotations}) + "\n"
