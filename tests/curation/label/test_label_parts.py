"""Thresholds, outlines, masks in a person's values, and the ranking, each on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.config import UserError
from s4former.curation.annotations import Polygon
from s4former.curation.annotations.rasterize import Layer, draw
from s4former.curation.label import Known, Look, choose_next
from s4former.curation.label.exports import shapes_of
from s4former.curation.label.masks import MaskEncoder
from s4former.curation.label.threshold import from_quantiles, from_val
from s4former.data import Classes, LabelMap, MaskValue
from s4former.inference import Prediction
from s4former.types import IGNORE

COLORS = ((0, 0, 0), (255, 0, 0), (0, 255, 0))


def predicted(mask: list[int], confidence: list[float]) -> Prediction:
    rows = np.array([mask], np.uint8), np.array([confidence], np.float32)
    return Prediction(np.zeros((1, len(mask), 3), np.uint8), *rows, ("a", "b", "c"), COLORS)


def test_a_threshold_is_the_lowest_above_which_95_percent_are_right() -> None:
    sure = np.linspace(0.5, 0.9, 100).tolist()
    truth = np.array([[1] * 20 + [0] * 80 + [2] * 10 + [IGNORE] * 5], np.uint8)
    prediction = predicted([0] * 100 + [1] * 15, sure + [0.9] * 15)
    found = from_val([(prediction, truth)], 3)
    kept = found.keep(prediction)[0]
    right = (truth[0] == 0)[kept == 0]
    assert right.mean() >= 0.95
    assert right.sum() == 80, "all that can be kept is"
    assert not np.isfinite(found.values[1]), "a class that is always wrong is never kept"
    assert np.all(kept[100:] == IGNORE)


def test_without_val_the_surer_half_of_each_class_is_kept() -> None:
    prediction = predicted([0] * 10 + [1] * 4, [*np.linspace(0.55, 0.95, 10), 0.3, 0.4, 0.45, 0.48])
    kept = from_quantiles([prediction], 3).keep(prediction)[0]
    assert (kept[:10] == 0).tolist() == [False] * 5 + [True] * 5
    assert np.all(kept[10:] == IGNORE)


def test_outlines_draw_the_mask_again_with_holes_and_edges() -> None:
    rows, columns = np.mgrid[:120, :160]
    mask = np.full((120, 160), IGNORE, np.uint8)
    mask[(rows - 60) ** 2 + (columns - 70) ** 2 < 50**2] = 0
    mask[(rows - 60) ** 2 + (columns - 70) ** 2 < 30**2] = 1
    mask[(rows - 60) ** 2 + (columns - 70) ** 2 < 12**2] = 0
    mask[(rows - 40) ** 2 + (columns - 70) ** 2 < 5**2] = IGNORE
    mask[:, 130:] = 2
    mask[118, 2:60] = 1
    shapes = shapes_of(mask)
    layers = [Layer((Polygon(points),), index) for index, points in shapes]
    for larger_first in (True, False):
        drawn = draw(layers, *mask.shape, IGNORE, larger_first)
        assert (drawn.mask == mask).mean() >= 0.99
    assert len(shapes) == 5
    assert min(len(points) for _, points in shapes) > 2, "a strip keeps its width"
    assert sum(len(points) for _, points in shapes) < 200, "few enough corners to correct by hand"


@pytest.mark.parametrize(
    ("values", "ignore"),
    [
        (None, (IGNORE,)),
        (((10, 11), (20,), (300,)), (0,)),
        ((((9, 9, 9),), ((1, 2, 3),), (7,)), ((255, 255, 255),)),
        (((255,), (0,), (128,)), ()),
        ((((255, 255, 255),), ((0, 0, 0),), ((1, 0, 0),)), ()),
    ],
)
def test_masks_are_read_back_as_they_were_written(
    values: tuple[tuple[MaskValue, ...], ...] | None, ignore: tuple[MaskValue, ...], tmp_path: Path
) -> None:
    encoder = MaskEncoder(Classes(("a", "b", "c"), COLORS, ignore, values))
    mask = np.random.default_rng(0).choice(np.array([0, 1, 2, IGNORE], np.uint8), (8, 9))
    encoder.write(mask, tmp_path / "mask.png")
    assert np.array_equal(LabelMap(encoder.classes).read(tmp_path / "mask.png"), mask)
    if values is None:
        assert Image.open(tmp_path / "mask.png").mode == "P"


def test_values_that_no_png_holds_are_refused() -> None:
    with pytest.raises(UserError, match="cannot be written as PNG"):
        MaskEncoder(Classes(("a", "b"), COLORS[:2], (0,), ((70000,), (1,))))


def looked(unsure: float, shares: list[float], feature: list[float]) -> Look:
    direction = np.array(feature) / np.linalg.norm(feature)
    return Look(unsure, unsure, np.array(shares, float), direction)


def test_what_is_rare_unsure_or_different_comes_first_and_twins_do_not_follow_each_other() -> None:
    names = ("sky", "bird")
    known = Known(np.array([5, 0]), np.array([[1.0, 0.0]]))
    plain = [looked(0.1, [1, 0], [1, number / 100]) for number in range(6)]
    bird = looked(0.4, [0.9, 0.1], [0, 1])
    twin = looked(0.39, [0.9, 0.1], [0.001, 1])
    other = looked(0.3, [0.95, 0.05], [-1, 0])
    looks = [*plain, bird, twin, other]
    chosen = choose_next(looks, known, names, 3)
    order = [choice.index for choice in chosen]
    assert set(order[:2]) == {6, 8}, "the twin waits"
    assert "bird (0 labeled)" in next(choice.reason for choice in chosen if choice.index == 6)
    assert len(choose_next(looks, known, names, 100)) == len(looks)
    assert choose_next(looks, Known(np.zeros(2, np.int64), np.zeros((0, 1))), names, 1)[0].index in (6, 7, 8)
