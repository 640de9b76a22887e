"""Builds small data sets that are sound until a case makes them odd, and states what must come of each."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from s4former.config import DataError, S4FormerError

SIZE = (40, 48)
NAMES = ["ground", "red", "blue"]


@dataclass(frozen=True)
class Refused:
    """The data set cannot be opened: one error whose message has all these words."""

    words: tuple[str, ...]
    error: type[S4FormerError] = DataError

    def __init__(self, *words: str, error: type[S4FormerError] = DataError) -> None:
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "error", error)


@dataclass(frozen=True)
class Flawed:
    """It opens, but the check finds errors of just these kinds, and training stops before its first step.

    Attributes:
        kinds: Kinds of the errors.
        words: What messages and fixes say among other things.
        others: Kinds of the warnings and notes beside them.
    """

    kinds: tuple[str, ...]
    words: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __init__(self, *kinds: str, words: tuple[str, ...] = (), others: tuple[str, ...] = ()) -> None:
        for name, value in {"kinds": kinds, "words": words, "others": others}.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Accepted:
    """It trains, and the check finds just these kinds of warnings and notes.

    Attributes:
        kinds: Kinds of what is found.
        counts: Labeled, unlabeled, val and test images.
        words: What messages and fixes say among other things.
    """

    kinds: tuple[str, ...]
    counts: tuple[int, int, int, int] = (3, 3, 2, 0)
    words: tuple[str, ...] = ()

    def __init__(
        self, *kinds: str, counts: tuple[int, int, int, int] = (3, 3, 2, 0), words: tuple[str, ...] = ()
    ) -> None:
        for name, value in {"kinds": kinds, "counts": counts, "words": words}.items():
            object.__setattr__(self, name, value)


Outcome = Refused | Flawed | Accepted


class OddSet:
    """A data set in a folder: three labeled, three unlabeled and two val images, unless a case changes that.

    Attributes:
        root: Its folder.
        fields: What its ``dataset.yaml`` says.
        changes: Overrides on the command line.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fields: dict[str, Any] = {
            "names": list(NAMES),
            "labeled": {"images": "images", "masks": "masks"},
            "unlabeled": {"images": "unlabeled"},
            "val": {"images": "val/images", "masks": "val/masks"},
        }
        self.changes: list[str] = []
        self._seed = 0
        for stem in ("a0", "a1", "a2"):
            self.pair(stem)
        for stem in ("u0", "u1", "u2"):
            self.image(f"unlabeled/{stem}.png")
        for stem in ("v0", "v1"):
            self.pair(stem, "val/images", "val/masks")

    def pixels(self, size: tuple[int, int] = SIZE, channels: int = 3) -> np.ndarray:
        """Return random pixels, others at each call."""
        self._seed += 1
        return np.random.default_rng(self._seed).integers(0, 256, (*size, channels), dtype=np.uint8)

    def smooth_picture(self, size: tuple[int, int] = SIZE) -> np.ndarray:
        """Return a picture that survives JPEG."""
        coarse = Image.fromarray(self.pixels((5, 6)))
        return np.array(coarse.resize(size[::-1], Image.Resampling.BICUBIC))

    def labels(self, size: tuple[int, int] = SIZE, classes: int = 3) -> np.ndarray:
        """Return stripes of all classes, others at each call."""
        self._seed += 1
        return (np.indices(size).sum(axis=0) // (2 + self._seed % 7) % classes).astype(np.uint8)

    def path(self, name: str) -> Path:
        """Return a path in the folder; its own folder is made."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def image(self, name: str, pixels: np.ndarray | None = None, **options: Any) -> None:
        """Write an image; without pixels, of random ones."""
        self.picture(name, self.pixels() if pixels is None else pixels, **options)

    def mask(self, name: str, labels: np.ndarray | None = None, **options: Any) -> None:
        """Write a mask; without labels, of all classes."""
        self.picture(name, self.labels() if labels is None else labels, **options)

    def picture(self, name: str, pixels: np.ndarray | Image.Image, **options: Any) -> None:
        """Write a picture file."""
        picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        picture.save(self.path(name), **options)

    def pair(
        self, stem: str, images: str = "images", masks: str = "masks", size: tuple[int, int] = SIZE
    ) -> None:
        """Write an image and its mask."""
        self.image(f"{images}/{stem}.png", self.pixels(size))
        self.mask(f"{masks}/{stem}.png", self.labels(size))

    def text(self, name: str, text: str) -> None:
        """Write a text file as it is."""
        self.path(name).write_bytes(textwrap.dedent(text).encode())

    def remove(self, *names: str) -> None:
        """Remove files."""
        for name in names:
            (self.root / name).unlink()

    def cut(self, name: str, share: float = 0.5) -> None:
        """Keep the first part of a file only."""
        data = (self.root / name).read_bytes()
        (self.root / name).write_bytes(data[: int(len(data) * share)])

    def describe(self) -> Path:
        """Write the ``dataset.yaml``, unless the case wrote its own, and return it."""
        path = self.root / "dataset.yaml"
        if not path.exists() and self.fields:
            path.write_text(yaml.safe_dump(self.fields, allow_unicode=True), encoding="utf-8")
        return path


@dataclass(frozen=True)
class Case:
    """One data set.

    Attributes:
        name: What is odd.
        build: Makes it so.
        outcome: What must come of it.
    """

    name: str
    build: Callable[[OddSet], None]
    outcome: Outcome


class Cases(list[Case]):
    """A list that functions are added to by decoration."""

    def __call__(self, outcome: Outcome) -> Callable[[Callable[[OddSet], None]], Callable[[OddSet], None]]:
        """Return a decorator that adds a case named after the function."""

        def add(build: Callable[[OddSet], None]) -> Callable[[OddSet], None]:
            self.append(Case(build.__name__, build, outcome))
            return build

        return add
