"""Figures: pictures land where they should, and curves are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.data import Classes
from s4former.report import colorize, contact_sheet, learning_curves, panel
from s4former.types import IGNORE

COLORS = ((255, 0, 0), (0, 0, 255))


def flat(color: tuple[int, int, int], height: int = 20, width: int = 30) -> np.ndarray:
    return np.broadcast_to(np.array(color, dtype=np.uint8), (height, width, 3)).copy()


def test_colorize_paints_each_class_and_leaves_unknown_pixels_gray() -> None:
    mask = np.array([[0, 1], [IGNORE, 0]], dtype=np.uint8)
    picture = colorize(mask, COLORS)
    assert picture.dtype == np.uint8
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert picture[0, 1].tolist() == [0, 0, 255]
    assert len(set(picture[1, 0].tolist())) == 1


def test_colorize_refuses_a_class_without_a_color() -> None:
    with pytest.raises(ValueError, match=r"\[2\]"):
        colorize(np.array([[2]], dtype=np.uint8), COLORS)


def test_panel_shows_every_picture_in_its_place(tmp_path: Path) -> None:
    rows = [("first", [flat((255, 0, 0)), flat((0, 255, 0))]), ("", [flat((0, 0, 255)), flat((255, 255, 0))])]
    path = panel(rows, ("left", "right"), tmp_path / "new" / "panel.png", {"red": (255, 0, 0)})
    picture = np.asarray(Image.open(path).convert("RGB"))
    height, width = picture.shape[:2]

    def share(rows: slice, columns: slice, color: tuple[int, int, int]) -> float:
        return float((picture[rows, columns] == color).all(axis=2).mean())

    top, bottom = slice(0, height // 2), slice(height // 2, height)
    left, right = slice(0, width // 2), slice(width // 2, width)
    assert share(top, left, (255, 0, 0)) > 0.5
    assert share(top, right, (0, 255, 0)) > 0.5
    assert share(bottom, left, (0, 0, 255)) > 0.4
    assert share(bottom, right, (255, 255, 0)) > 0.4


def test_panel_explains_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        panel([], ("image",), tmp_path / "panel.png")
    with pytest.raises(ValueError, match="1 pictures for 2 columns"):
        panel([("a", [flat((0, 0, 0))])], ("image", "truth"), tmp_path / "panel.png")


def test_learning_curves_draw_a_line_for_each_name(tmp_path: Path) -> None:
    one = learning_curves({"a": [(1, 0.1), (2, 0.2)]}, tmp_path / "one.png")
    two = learning_curves({"a": [(1, 0.1), (2, 0.2)], "b": [(1, 0.2), (2, 0.1)]}, tmp_path / "two.png")

    def colors(path: Path) -> set[tuple[int, ...]]:
        picture = np.asarray(Image.open(path).convert("RGB"))
        saturated = picture[picture.max(axis=2).astype(int) - picture.min(axis=2) > 120]
        return {tuple(pixel) for pixel in saturated.tolist()}

    assert colors(one) < colors(two)


def test_learning_curves_name_an_empty_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="teacher"):
        learning_curves({"student": [(1, 0.5)], "teacher": []}, tmp_path / "curves.png")


@pytest.mark.parametrize("count", [3, 60])
def test_a_legend_covers_no_picture_of_a_sheet(count: int) -> None:
    names, colors = (f"class {number}" for number in range(count)), ((9, 9, 9),) * count
    mask = np.arange(600, dtype=np.uint8).reshape(20, 30) % count
    figure = contact_sheet([("one", flat((0, 0, 0)), mask, "")], Classes(tuple(names), colors))
    figure.draw_without_rendering()
    (legend,), (axes,) = figure.legends, figure.axes
    assert legend.get_window_extent().y1 <= axes.get_window_extent().y0
