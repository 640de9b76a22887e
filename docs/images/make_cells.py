"""Draws a practice data set: photographs of cells as a microscope might show them, and masks for a few.

    python docs/images/make_cells.py practice

makes ``practice/photos`` (40 JPEG files) and ``practice/masks`` (10 PNG files, 0 outside of cells and 255
inside). Bright ovals are cells; wide faint spots are out of focus and not marked, as people do it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOS, MASKS = 40, 10
SIZE = (192, 256)
"""Height and width in pixels."""


def draw_dish(number: int, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph "h w 3" and its mask "h w", 0 and 255; the same ones for the same number."""
    generator = np.random.default_rng(number)
    rows, columns = np.mgrid[: size[0], : size[1]]
    light = 0.10 + 0.06 * generator.random() * columns / size[1]
    mask = np.zeros(size, dtype=np.uint8)
    for in_focus in [False] * 4 + [True] * int(generator.integers(6, 14)):
        row, column = generator.uniform(0, size[0]), generator.uniform(0, size[1])
        radii = generator.uniform(7, 15, 2) * (1 if in_focus else 2)
        angle = generator.uniform(0, np.pi)
        along = (columns - column) * np.cos(angle) + (rows - row) * np.sin(angle)
        across = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
        distance = np.hypot(along / radii[0], across / radii[1])
        if in_focus:
            brightness = generator.uniform(0.35, 0.75)
            light = np.maximum(light, brightness * np.clip(4 * (1.25 - distance), 0, 1))
            mask[distance < 1.12] = 255
        else:
            light = light + 0.14 * np.exp(-(distance**2))
    noise = generator.normal(0, 0.025, size)
    green = np.clip(light + noise, 0, 1)
    tint = np.array([0.35, 1.0, 0.55])
    return np.round(255 * green[..., None] * tint).astype(np.uint8), mask


def make_cells(folder: Path, photos: int = PHOTOS, masks: int = MASKS, size: tuple[int, int] = SIZE) -> None:
    """Write ``photos/dish_NN.jpg``, and ``masks/dish_NN.png`` for the first ones."""
    for kind in ("photos", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(1, photos + 1):
        photo, mask = draw_dish(number, size)
        Image.fromarray(photo).save(folder / "photos" / f"dish_{number:02}.jpg", quality=92)
        if number <= masks:
            Image.fromarray(mask).save(folder / "masks" / f"dish_{number:02}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw photographs of cells, and masks for a few of them.")
    parser.add_argument("folder", type=Path)
    make_cells(parser.parse_args().folder)
