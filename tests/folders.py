"""Small data sets on disk, made by the tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

NUM_CLASSES = 3
COLORS = [[0, 0, 0], [200, 30, 40], [20, 90, 250]]


def make_folder(
    root: Path, labeled: int = 3, unlabeled: int = 5, val: int = 2, size: tuple[int, int] = (40, 48)
) -> Path:
    """Write a data set in the default layout; images ``a00``, ... are labeled and ``u00``, ... are not."""
    (root / "masks/train").mkdir(parents=True)
    for number in range(labeled):
        write_image(root / f"images/train/a{number:02}.png", number, size)
        write_mask(root / f"masks/train/a{number:02}.png", number, size)
    for number in range(unlabeled):
        write_image(root / f"images/train/u{number:02}.png", 100 + number, size)
    for number in range(val):
        write_image(root / f"images/val/v{number:02}.png", 200 + number, size)
        write_mask(root / f"masks/val/v{number:02}.png", 200 + number, size)
    write_classes(root)
    return root


def write_classes(root: Path, **changes: object) -> None:
    classes = {"names": ["ground", "red", "blue"], "colors": COLORS, "ignore_index": 255} | changes
    (root / "classes.json").write_text(json.dumps(classes))


def write_image(path: Path, seed: int, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def write_mask(path: Path, seed: int, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.random.default_rng(seed).integers(0, NUM_CLASSES, size, dtype=np.uint8)
    labels[:3] = 255
    Image.fromarray(labels).save(path)
    return labels
