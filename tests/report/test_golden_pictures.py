"""Pictures look as those in ``golden/``, which were opened and found good, but for fonts and versions.

To see and keep new ones after a wanted change: ``python tests/report/test_golden_pictures.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.data import Classes
from s4former.inference.overlay import overlay_picture, with_legend
from s4former.report import colorize, contact_sheet, learning_curves, panel
from s4former.types import IGNORE

GOLDEN = Path(__file__).parent / "golden"
CLASSES = Classes(("sea", "land", "wood"), ((60, 110, 200), (230, 200, 120), (30, 120, 60)))


def example() -> tuple[np.ndarray, np.ndarray]:
    """Return a picture and its mask, with all classes and an unknown corner."""
    rows, columns = np.mgrid[:60, :90]
    mask = np.where(rows + columns / 3 > 50, 1, 0).astype(np.uint8)
    mask[10:30, 55:80] = 2
    mask[:8, :12] = IGNORE
    shade = 0.6 + 0.4 * ((rows // 4 + columns // 4) % 2)[..., None]
    return (colorize(mask, CLASSES.colors) * shade).astype(np.uint8), mask


def draw_panel(path: Path) -> None:
    image, mask = example()
    shown = [image, colorize(mask, CLASSES.colors), colorize(mask[:, ::-1], CLASSES.colors)]
    legend = dict(zip(CLASSES.names, CLASSES.colors, strict=True))
    panel([("one", shown), ("", shown[::-1])], ("image", "truth", "prediction"), path, legend)


def draw_sheet(path: Path) -> None:
    image, mask = example()
    cells = [
        (f"{number}. dish", image, mask, "unsure: 66 % on average; " * number) for number in (1, 2, 4, 6)
    ]
    contact_sheet(cells, CLASSES).savefig(path)


def draw_overlay(path: Path) -> None:
    image, mask = example()
    colors = [*CLASSES.colors, *[(0, 0, 0)] * 253]
    painted = overlay_picture(image, mask, colors, 0.5, (0, 1, 2))
    with_legend(painted, list(zip(CLASSES.names, CLASSES.colors, strict=True))).save(path)


def draw_curves(path: Path) -> None:
    steps = range(0, 500, 50)
    learning_curves(
        {
            "student": [(step, step / 700) for step in steps],
            "teacher": [(s, (s / 700) ** 0.5) for s in steps],
        },
        path,
    )


DRAWN: dict[str, Callable[[Path], None]] = {
    "panel.png": draw_panel,
    "sheet.png": draw_sheet,
    "overlay.png": draw_overlay,
    "curves.png": draw_curves,
}


def blurred(path: Path) -> np.ndarray:
    """Return a picture in cells of 6 pixels: letters may move by a pixel, pictures and texts may not go."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").resize((picture.width // 6, picture.height // 6), Image.Resampling.BOX)
    return np.asarray(small).astype(float)


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_looks_as_it_did(name: str, tmp_path: Path) -> None:
    DRAWN[name](tmp_path / name)
    now, before = blurred(tmp_path / name), blurred(GOLDEN / name)
    assert now.shape == pytest.approx(before.shape, abs=2)
    height, width = min(len(now), len(before)), min(now.shape[1], before.shape[1])
    difference = np.abs(now[:height, :width] - before[:height, :width]).max(axis=2)
    assert difference.mean() < 2
    assert (difference > 60).mean() < 0.01


if __name__ == "__main__":
    for name, draw in DRAWN.items():
        draw(GOLDEN / name)
