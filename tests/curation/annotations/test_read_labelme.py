"""labelme json: its shapes, old files, and files that are not right."""

from __future__ import annotations

import base64
import io
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
from PIL import Image

from s4former.config import DataError
from s4former.curation.annotations import Conversion, class_names, convert, detect_format
from s4former.types import IGNORE


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
    assert any("not of labelme, skipped: 1" in note for note in done.notes)


@pytest.mark.parametrize(
    ("given", "note", "marked"),
    [
        (shape("line", [[24, 2], [30, 8]], "nerve"), "lines", (27, 5)),
        (shape("linestrip", [[24, 2], [30, 2], [30, 9]], "nerve"), "lines", (30, 8)),
        (shape("point", [[26, 18]], "nerve"), "points", (26, 18)),
        (shape("points", [[26, 18], [2, 20]], "nerve"), "points", (2, 20)),
        (shape("polygon", [[24, 2], [30, 8]]), "polygons of fewer than 3 points", (27, 5)),
        ({"label": "cell", "points": [[24, 2], [30, 8]]}, "polygons of fewer than 3 points", (27, 5)),
        (shape("cuboid", [[24, 2], [30, 2], [30, 8], [24, 8]]), "the unknown type cuboid", (27, 5)),
        (shape("rectangle", [[26, 18]]), "rectangle shapes of 1 points", (26, 18)),
        (shape("rectangle", [[24, 2], [30, 2], [30, 8]]), "rectangle shapes of 3 points", (28, 4)),
        (shape("circle", [[26, 18]]), "circle shapes of 1 points", (26, 18)),
        (shape("circle", [[24, 2], [30, 2], [30, 8], [24, 8]]), "circle shapes of 4 points", (27, 5)),
    ],
)
def test_what_cannot_be_drawn_is_not_background(
    tmp_path: Path, given: dict[str, Any], note: str, marked: tuple[int, int]
) -> None:
    """It is unknown where it was marked; drawn outlines and background far from it stay."""
    file = labelme(tmp_path / "drawn", "one", [shape("polygon", SMALL), given])
    notes = run(tmp_path, file).notes
    mask = read_mask(tmp_path / "out", "one")
    assert mask[marked[1], marked[0]] == IGNORE
    assert (mask[in_polygon(SMALL)] == 1).all()
    assert mask[-1, 16] == 0
    assert any(note in line and "(255)" in line and "one.json: shape 1" in line for line in notes), notes
    assert class_names(file, "labelme") == ["cell"]


def test_points_alone(tmp_path: Path) -> None:
    file = labelme(tmp_path / "drawn", "one", [shape("point", [[5, 5]]), shape("line", [[1, 1], [9, 9]])])
    assert class_names(file, "labelme") == ["cell"]
    with pytest.raises(DataError, match=r"no object has an outline \(points: 1, lines: 1\)"):
        run(tmp_path, file)


@pytest.mark.parametrize("kind", ["rectangle", "rotation", "quadrilateral"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (0, 1, 3, 2), (0, 1, 2, 3, 0)])
def test_rectangles_of_four_corners(tmp_path: Path, kind: str, order: tuple[int, ...]) -> None:
    """X-AnyLabeling lists four corners; others go another way round, or close the line."""
    corners = [(10.1, 3.2), (20.4, 8.3), (15.2, 18.1), (5.3, 13.4)]
    given = shape(kind, [corners[index] for index in order], direction=0.46, difficult=False, flags=None)
    np.testing.assert_array_equal(drawn(tmp_path, given), paint((in_polygon(corners), 1)))


def test_a_mask_of_another_size_than_its_box(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its mask has 32 x 24 pixels, the box of its points 14 x 12"):
        drawn(tmp_path, shape("mask", [[6, 4], [19, 15]], mask=labelme_mask(ring())))


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA"])
def test_masks_are_pictures_of_any_mode(tmp_path: Path, mode: str) -> None:
    """In a palette it is the index that counts, not how bright its color is."""
    pixels = ring()[4:16, 6:20]
    picture = Image.fromarray(pixels.astype(np.uint8) * (255 if mode == "1" else 1))
    if mode == "P":
        picture = picture.convert("P")
        picture.putpalette([255, 255, 255, 0, 0, 0])
    elif "A" in mode:
        picture = Image.merge(mode, [Image.new("L", picture.size)] * (len(mode) - 1) + [picture])
    else:
        picture = picture.convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    mask = drawn(tmp_path, shape("mask", [[6, 4], [19, 15]], mask=encoded))
    np.testing.assert_array_equal(mask, paint((ring(), 1)))


def test_the_path_is_seen_from_the_file(tmp_path: Path) -> None:
    """Two folders hold an image of one name, each with its file beside it."""
    images = write_images(tmp_path, "left/one.png", "right/one.png")
    for folder, corners in (("left", CELL), ("right", SMALL)):
        labelme(tmp_path / folder, "one", [shape("polygon", corners)], imagePath="one.png")
    convert(tmp_path, "labelme", images, NAMES, 0, tmp_path / "out")
    for folder, corners in (("left", CELL), ("right", SMALL)):
        mask = read_mask(tmp_path / "out", f"{folder}/one")
        np.testing.assert_array_equal(mask, paint((in_polygon(corners), 1)))


def test_a_file_that_was_copied_for_another_image(tmp_path: Path) -> None:
    file = labelme(tmp_path / "photos", "two", [shape("polygon", CELL)], imagePath="one.png")
    with pytest.raises(
        DataError, match=r"means .*one\.png by the path in it, and .*two\.png by its own name"
    ):
        run(tmp_path, file)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (shape("polygon", [[1, 1], [float("nan"), 2], [9, 9]]), "nan is no coordinate"),
        (shape("polygon", [[1, 1, 1], [2, 2, 2], [3, 3, 3]]), r"expected points as \[x, y\]"),
        (shape("polygon", [[1, 1], [2], [3, 3]]), "expected points"),
        (shape("polygon", None), "expected points"),
        (shape("polygon", []), "a 'cell' without a point is nowhere"),
        (shape("polygon", [[1, 1], [9, 1], [10**400, 9]]), "expected points"),
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
