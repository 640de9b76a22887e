"""A miniature Pascal VOC 2012 in its true layout: a dozen drawn pictures, masks, and the published lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

LABELED, UNLABELED, VAL = 4, 5, 3
SIZE = (96, 128)  # height, width
_CLASSES = (1, 6, 15)  # aeroplane, bus, person


def make_mini_voc(data: Path) -> Path:
    """Write ``VOCdevkit/VOC2012`` below ``data`` and return its path."""
    root = data / "VOCdevkit" / "VOC2012"
    ids = [f"2007_{number:06d}" for number in range(LABELED + UNLABELED + VAL)]
    for folder in ("JPEGImages", "SegmentationClass", "SegmentationClassAug"):
        (root / folder).mkdir(parents=True)
    for number, id in enumerate(ids):
        picture, mask = _draw(np.random.default_rng(number))
        Image.fromarray(picture).save(root / "JPEGImages" / f"{id}.jpg")
        Image.fromarray(mask).save(root / "SegmentationClassAug" / f"{id}.png")
        colored = Image.fromarray(mask)
        colored.putpalette([value for index in range(256) for value in _color(index)])
        colored.save(root / "SegmentationClass" / f"{id}.png")
    lists = root / "datasplits" / "voc_split_U2PL"
    _write(lists / "92_train_supervised.txt", ids[:LABELED])
    _write(lists / "92_train_unsupervised.txt", ids[LABELED : LABELED + UNLABELED])
    _write(root / "ImageSets" / "Segmentation" / "val.txt", ids[-VAL:])
    return root


def _draw(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy sky with two rectangles in the colors of their classes, and its mask, borders void."""
    height, width = SIZE
    picture = generator.integers(150, 200, (height, width, 3))
    mask = np.zeros(SIZE, dtype=np.uint8)
    for index in generator.choice(_CLASSES, 2, replace=False):
        top, left = int(generator.integers(height // 2)), int(generator.integers(width // 2))
        rows, cols = slice(top, top + height // 3), slice(left, left + width // 3)
        mask[rows, cols] = 255
        mask[top + 1 : top + height // 3 - 1, left + 1 : left + width // 3 - 1] = index
        picture[rows, cols] = np.array(_color(int(index))) + generator.integers(0, 40, 3)
    return picture.clip(0, 255).astype(np.uint8), mask


def _color(index: int) -> tuple[int, int, int]:
    bits = [(index >> place) & 1 for place in range(3)]
    return bits[0] * 128, bits[1] * 128, bits[2] * 128


def _write(path: Path, ids: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(ids))  # as published: no newline at the end
