"""What was predicted of each image, written down as it is done: a second call goes on from there.

``.s4former-predict*.jsonl`` in the folder has a line for each image or video that is complete; each process
writes a file of its own. A line counts for the same model, options and unchanged file only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from s4former.inference.card import CARD, WEIGHTS
from s4former.inference.options import Options

_NAME = ".s4former-predict{}.jsonl"


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
        """Return what is complete, by key; a line that is cut is not."""
        return dict(line for path in sorted(self._out.glob(_NAME.format("*"))) for line in _lines(path))

    def add(self, key: str, images: list[ImageRecord], process: int = 0) -> None:
        """Note that an image or a video is complete."""
        line = json.dumps({"key": key, "images": [asdict(image) for image in images]})
        path = self._out / _NAME.format(f"-{process}" if process else "")
        with self._lock, path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _lines(path: Path) -> Iterator[tuple[str, tuple[ImageRecord, ...]]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            content = json.loads(line)
            yield content["key"], tuple(ImageRecord(**image) for image in content["images"])
        except (ValueError, TypeError, KeyError):
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
