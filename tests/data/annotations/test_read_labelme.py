"""labelme json: its shapes, old files, and files that are not right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import (
    CELL,
    HEIGHT,
    NAMES,
    SMALL,
    WIDTH,
    in_ellipse,
    in_polygon,
    labelme,
    labelme_mask,
    paint,
    read_mask,
    ring,
    write_images,
    write_json,
)

from s4former.config.errors import DataError
from s4former.data.annotations import Conversion, class_names, convert, detect_format


def run(root: Path, annotations: Path) -> Conversion:
    images = write_images(root / "photos", "one.png", "two.png")
    return convert(annotations, "labelme", images, NAMES, 0, root / "out")


def drawn(root: Path, *shapes: dict[str, Any], **changes: Any) -> np.ndarray:
    run(root, labelme(root / "drawn", "one", list(shapes), **changes))
    return read_mask(root / "out", "one")


def shape(kind: str, points: Any, label: Any = "cell", **fields: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, **fields}


def test_rectangle_circle_and_order(tmp_path: Path) -> None:
    """A rectangle's two points may be any opposite corners; later shapes lie on top."""
    mask = drawn(
        tmp_path,
        shape("rectangle", [[20.2, 14.1], [3.4, 2.2]]),
        shape("circle", [[10.3, 9.2], [14.3, 12.2]], "vein"),
    )
    box = in_polygon([(3.4, 2.2), (20.2, 2.2), (20.2, 14.1), (3.4, 14.1)])
    np.testing.assert_array_equal(mask, paint((box, 1), (in_ellipse(10.3, 9.2, 5, 5), 2)))


def test_oriented_rectangle_is_its_corners(tmp_path: Path) -> None:
    corners = [(10.1, 3.2), (20.4, 8.3), (15.2, 18.1), (5.3, 13.4)]
    np.testing.assert_array_equal(
        drawn(tmp_path, shape("oriented_rectangle", corners)), paint((in_polygon(corners), 1))
    )


def test_old_files_name_no_type(tmp_path: Path) -> None:
    mask = drawn(
        tmp_path, {"label": "cell", "points": CELL}, imageHeight=None, imageWidth=None, version="3.1"
    )
    np.testing.assert_array_equal(mask, paint((in_polygon(CELL), 1)))


def test_mask_that_reaches_over_the_edge(tmp_path: Path) -> None:
    encoded = labelme_mask(ring())
    mask = drawn(tmp_path, shape("mask", [[10, 8], [41, 31]], mask=encoded))
    expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
    expected[8:, 10:] = ring()[: HEIGHT - 8, : WIDTH - 10]
    np.testing.assert_array_equal(mask, paint((expected, 1)))


def test_image_that_was_renamed_is_found_by_the_file(tmp_path: Path) -> None:
    file = labelme(tmp_path / "drawn", "two", [shape("polygon", CELL)], imagePath="IMG_0001.JPG")
    assert run(tmp_path, file).ids == ("two",)


def test_files_beside_the_images(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", "one.png", "two.png")
    labelme(tmp_path / "photos", "one", [shape("polygon", CELL)], imagePath="one.png")
    write_json(tmp_path / "photos/settings.json", {"theme": "dark"})
    assert detect_format(tmp_path / "photos") == "labelme"
    done = run(tmp_path, tmp_path / "photos")
    assert done.ids == ("one",)
    assert any("not of labelme, left out: 1" in note for note in done.notes)


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (shape("line", [[1, 1], [5, 5]], "nerve"), "lines and points"),
        (shape("linestrip", [[1, 1], [5, 5], [9, 9]], "nerve"), "lines and points"),
        (shape("point", [[1, 1]], "nerve"), "lines and points"),
        (shape("polygon", [[1, 1], [5, 5]]), "fewer than 3 points"),
        (shape("polygon", []), "fewer than 3 points"),
        (shape("cuboid", [[1, 1], [5, 5]]), "unknown type cuboid"),
    ],
)
def test_left_out_with_a_note(tmp_path: Path, given: dict[str, Any], note: str) -> None:
    file = labelme(tmp_path / "drawn", "one", [shape("polygon", SMALL), given])
    notes = run(tmp_path, file).notes
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(SMALL), 1)))
    assert any(note in line and "one.json: shape 1" in line for line in notes), notes
    assert class_names(file, "labelme") == ["cell"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (shape("polygon", [[1, 1], [float("nan"), 2], [9, 9]]), "nan is no coordinate"),
        (shape("polygon", [[1, 1, 1], [2, 2, 2], [3, 3, 3]]), r"expected points as \[x, y\]"),
        (shape("polygon", [[1, 1], [2], [3, 3]]), "expected points"),
        (shape("polygon", None), "expected points"),
        (shape("rectangle", CELL), "a rectangle has 2 points, got 4"),
        (shape("circle", [[1, 1]]), "a circle has 2 points, got 1"),
        (shape("polygon", CELL, label=None), "expected a label, got None"),
        (shape("polygon", CELL, label=" "), "expected a label"),
        (shape("mask", [[1, 1], [3, 3]], mask=None), "cannot read its mask"),
        (shape("mask", [[1, 1], [3, 3]], mask="bm90IGEgcGljdHVyZQ=="), "cannot read its mask"),
        (shape("mask", [[1, 1], [3, 3]], mask="?"), "cannot read its mask"),
    ],
)
def test_broken_shape(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        drawn(tmp_path, given)
    assert "one.json: shape 0" in str(caught.value)


@pytest.mark.parametrize("shapes", [{"label": "cell"}, "shapes", [1], None])
def test_shapes_that_are_no_list(tmp_path: Path, shapes: Any) -> None:
    with pytest.raises(DataError, match=r"one\.json: shapes: expected a list of records"):
        run(tmp_path, write_json(tmp_path / "one.json", {"shapes": shapes, "imagePath": "one.png"}))


def test_other_content(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected labelme json files"):
        run(tmp_path, write_json(tmp_path / "one.json", [1, 2]))


def test_two_files_of_one_image(tmp_path: Path) -> None:
    for name in ("one", "copy"):
        labelme(tmp_path / "drawn", name, [shape("polygon", CELL)], imagePath="one.png")
    with pytest.raises(DataError, match=r"one\.json and .*copy\.json both annotate .*one\.png"):
        run(tmp_path, tmp_path / "drawn")
