"""Values that smoothing made are told from classes that are thin, on files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from s4former.config import DataError
from s4former.curation.init.mask_survey import survey_masks
from s4former.curation.init.suggestion import suggest_classes

Levels = int | tuple[int, int, int]


def ellipses(mode: str, outer: Levels, inner: Levels | None = None, size: int = 96) -> Image.Image:
    picture = Image.new(mode, (size, size))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((size // 8, size // 6, 3 * size // 4, 5 * size // 6), fill=outer)
    if inner is not None:
        draw.ellipse((size // 4, size // 3, size // 2, 2 * size // 3), fill=inner)
    return picture


def half(picture: Image.Image, filter: Image.Resampling = Image.Resampling.BOX) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), filter)


def with_border(widths: tuple[int, ...], levels: tuple[int, ...], inside: int) -> Image.Image:
    """An ellipse with lines of some widths around it, the innermost first."""
    object = ellipses("L", 255)
    mask = np.where(np.array(object), inside, 0).astype(np.uint8)
    for width, level in zip(widths, levels, strict=True):
        grown = object.filter(ImageFilter.MaxFilter(2 * width + 1))
        mask[(np.array(grown) > 0) & (np.array(object) == 0)] = level
        object = grown
    return Image.fromarray(mask)


SMOOTHED = {
    "0 and 255, halved": lambda: half(ellipses("L", 255, size=192)),
    "0, 100 and 200, halved": lambda: half(ellipses("L", 200, 100, size=192)),
    "colors, halved": lambda: half(ellipses("RGB", (255, 0, 0), (0, 255, 0), size=192)),
    "colors, smoothed": lambda: half(
        ellipses("RGB", (255, 0, 0), (0, 0, 255), size=192), Image.Resampling.BILINEAR
    ),
}
THIN = {
    "border of 1": lambda: with_border((1,), (128,), 255),
    "border of 3": lambda: with_border((3,), (128,), 255),
    "two borders of 1": lambda: with_border((1, 1), (170, 85), 255),
    "two borders of 2": lambda: with_border((2, 2), (170, 85), 255),
    "border that is void": lambda: with_border((2,), (255,), 128),
    "numbers": lambda: with_border((1, 1), (2, 1), 3),
    "large numbers": lambda: with_border((1, 1), (120, 20), 87),
}


@pytest.mark.parametrize("name", SMOOTHED)
def test_smoothed_edges_are_refused(tmp_path: Path, name: str) -> None:
    SMOOTHED[name]().save(tmp_path / "a.png")
    ellipses("RGB" if "colors" in name else "L", 0).save(tmp_path / "empty.png")
    with pytest.raises(DataError, match="soft edges"):
        suggest_classes(survey_masks([tmp_path / "empty.png", tmp_path / "a.png"]))


@pytest.mark.parametrize("name", THIN)
def test_thin_classes_are_classes(tmp_path: Path, name: str) -> None:
    mask: Callable[[], Image.Image] = THIN[name]
    mask().save(tmp_path / "a.png")
    found = suggest_classes(survey_masks([tmp_path / "a.png"]))
    held = set(np.unique(np.array(mask())).tolist())
    assert held <= {v for entry in found.names for v in entry.values or ()} | set(found.ignore)


def test_what_is_solid_in_one_mask_is_a_class_in_all(tmp_path: Path) -> None:
    half(ellipses("L", 255, size=192)).save(tmp_path / "a.png")
    solid = np.repeat(np.array([0, 64, 128, 192, 255], np.uint8), 16)[None].repeat(96, axis=0)
    Image.fromarray(solid).save(tmp_path / "b.png")
    assert len(suggest_classes(survey_masks([tmp_path / "a.png", tmp_path / "b.png"])).names) == 5


def test_a_line_between_two_values_is_asked_about(tmp_path: Path) -> None:
    with_border((1,), (127,), 255).save(tmp_path / "a.png")
    said = "\n".join(suggest_classes(survey_masks([tmp_path / "a.png"])).said)
    assert "127 lies nowhere but where two other values meet" in said
    with_border((3,), (127,), 255).save(tmp_path / "a.png")
    assert "lies nowhere" not in "\n".join(suggest_classes(survey_masks([tmp_path / "a.png"])).said)
