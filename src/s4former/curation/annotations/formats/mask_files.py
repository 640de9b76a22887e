"""Masks of which several belong to one image: one for each class, or one for each object.

Told by the names, below the folder: ``hair/0.png`` (a folder for each class), ``0/hair.png`` (a folder for
each image), ``0/masks/anything.png`` (the same with objects of one class, ``object``) or ``0_hair.png``. What
is not 0 in a file is of its class. They are read only where ``annotations_format: mask_files`` asks for it.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from s4former.config.errors import DataError
from s4former.curation.annotations.formats.base import AnnotationFormat
from s4former.curation.annotations.shapes import AnnotatedImage, Bitmap, Notes, Shape
from s4former.data.sources.listing import image_files
from s4former.data.sources.mask_files import decode_mask
from s4former.data.split_lists import EXPECTED

_OBJECT = "object"


class MaskFiles(AnnotationFormat):
    """Several masks of an image, each of one class or object."""

    larger_first = True
    file_per_image = True

    name: Literal["mask_files"] = "mask_files"
    """The format: this file's name."""

    def files(self, path: Path) -> list[Path]:
        """Return the masks."""
        return [path / name for name in image_files(path)]

    def class_names(self, path: Path) -> list[str]:
        """Return the classes in alphabetical order."""
        return sorted({label for _, label, _ in _told(path)})

    def images(self, path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
        """Return each image with its masks as shapes."""
        of_image: dict[str, list[tuple[str, Path]]] = defaultdict(list)
        for image, label, file in _told(path):
            of_image[image].append((label, file))
        for image, own in of_image.items():
            yield AnnotatedImage((image,), f"{path} (masks of {image})", partial(_shapes, own))


def _shapes(own: Sequence[tuple[str, Path]], notes: Notes) -> list[Shape]:
    shapes = []
    for label, file in own:
        inside = np.atleast_3d(decode_mask(file)) > 0
        shapes.append(Shape(label, (Bitmap(np.asarray(inside.any(axis=2))),), str(file)))
    return shapes


def _told(path: Path) -> list[tuple[str, str, Path]]:
    """Return image, class and file of each mask.

    Raises:
        DataError: If the names tell no classes.
    """
    every = list(image_files(path))
    names = [name for name in every if "/masks/" in name] or every  # the pictures may lie beside them
    stems = [os.path.splitext(name)[0] for name in names]
    if not names:
        raise DataError(f"{path} holds no masks; {EXPECTED}")
    if all(stem.endswith(f"/masks/{posixpath.basename(stem)}") for stem in stems):
        found = [(posixpath.dirname(posixpath.dirname(stem)), _OBJECT) for stem in stems]
    elif all("/" in stem for stem in stems):
        last, folders = ({stem.split("/")[place] for stem in stems} for place in (-1, 0))
        numbered = all(re.search(r"\d", folder) for folder in folders)  # as images are, rather than classes
        by_class = len(folders) < len(last) or (len(folders) == len(last) and not numbered)
        cut = [stem.partition("/")[::2] if by_class else stem.rpartition("/")[::2] for stem in stems]
        found = [(rest, first) if by_class else (first, rest) for first, rest in cut]
    else:
        ends = Counter(stem[cut + 1 :] for stem in stems for cut in _cuts(stem))  # from each sign on
        found = [_cut(stem, ends) for stem in stems]
    return [(image, label, path / name) for (image, label), name in zip(found, names, strict=True)]


def _cut(stem: str, ends: Counter[str]) -> tuple[str, str]:
    """Return image and class: what follows the sign after which most names go on alike."""
    cuts = _cuts(stem)
    if not cuts:
        raise DataError(
            f"{stem} tells no class; a mask of one class is called as its image and then the class, as in "
            f"{stem}_CLASS.png, or lies in a folder of the class, CLASS/{posixpath.basename(stem)}.png"
        )
    best = max(cuts, key=lambda cut: ends[stem[cut + 1 :]])  # the longest class of equals
    return stem[:best], stem[best + 1 :]


def _cuts(stem: str) -> list[int]:
    start = stem.rfind("/") + 1
    return [
        match.start() for match in re.finditer(r"[^\w/]|_", stem) if start < match.start() < len(stem) - 1
    ]
