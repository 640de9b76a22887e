"""YOLO polygons: where labels and names lie, and files that are not right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import (
    CELL,
    HEIGHT,
    NAMES,
    SMALL,
    VEIN,
    WIDTH,
    in_polygon,
    paint,
    read_mask,
    write_images,
    yolo,
    yolo_line,
)

from s4former.config import DataError
from s4former.curation.annotations import Conversion, class_names, convert, detect_format
from s4former.types import IGNORE


def run(root: Path, annotations: Path, names: tuple[str, ...] = NAMES, outside: int = 0) -> Conversion:
    images = write_images(root / "photos", "one.png", "two.png")
    return convert(annotations, "yolo", images, names, outside, root / "out")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "path: .\ntrain: images\nnames:\n  0: vein\n  1: cell\n"),
        ("data.yml", "names: [vein, cell]"),
        ("classes.txt", "vein\ncell\n"),
        ("obj.names", "vein\n\ncell"),
    ],
)
@pytest.mark.parametrize("given", [".", "labels", "labels/train"])
def test_names(tmp_path: Path, file: str, text: str, given: str) -> None:
    """Names are found beside the labels and in the two folders above."""
    root = yolo(tmp_path / "set", {"train/one": [yolo_line(1, CELL)]}, names=None)
    (root / file).write_text(text)
    assert detect_format(root / given) == "yolo"
    assert class_names(root / given, "yolo") == ["vein", "cell"]
    run(tmp_path, root / given)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))


def test_the_yaml_file_stands_for_its_folder(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set", {"one": [yolo_line(1, CELL)]}, names=None)
    (root / "leaves.yaml").write_text("names: [vein, cell]")
    assert detect_format(root / "leaves.yaml") == "yolo"
    run(tmp_path, root / "leaves.yaml")
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))


@pytest.mark.parametrize(
    ("names", "outside", "value"),
    [(("background", "cell", "vein"), 0, 2), (("cell", "vein"), IGNORE, 1), (("cell", "rest", "vein"), 1, 2)],
)
def test_without_a_file_numbers_count_the_classes_but_for_outside(
    tmp_path: Path, names: tuple[str, ...], outside: int, value: int
) -> None:
    root = yolo(tmp_path / "set", {"one": [yolo_line(1, CELL)]}, names=None)
    assert class_names(root, "yolo") == ["class_0", "class_1"]
    notes = run(tmp_path, root, names, outside).notes
    mask = paint((in_polygon(CELL), value), outside=outside)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), mask)
    assert any("class number 1, taken for 'vein'" in note for note in notes)


def test_number_beyond_the_classes(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set", {"one": [yolo_line(5, CELL)]}, names=None)
    with pytest.raises(DataError, match=r"unknown labels in the annotations: '5' \(1 shape\)"):
        run(tmp_path, root)


def test_folders_of_labels_mean_those_of_images(tmp_path: Path) -> None:
    root = tmp_path / "set"
    images = write_images(root, "left/images/a.png", "right/images/a.png")
    for part, index in (("left", 0), ("right", 1)):
        (root / part / "labels").mkdir()
        (root / part / "labels/a.txt").write_text(yolo_line(index, CELL))
    (root / "data.yaml").write_text("names: [cell, vein]")
    assert convert(root, "yolo", images, NAMES, 0, tmp_path / "out").ids == (
        "left/images/a",
        "right/images/a",
    )
    assert read_mask(tmp_path / "out", "left/images/a").max() == 1
    assert read_mask(tmp_path / "out", "right/images/a").max() == 2


def test_lists_and_readmes_are_no_labels(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    (root / "one.txt").write_text(yolo_line(0, CELL))
    (root / "classes.txt").write_text("cell\nvein")
    (root / "train.txt").write_text("./images/one.png")
    (root / "README.dataset.txt").write_text("five words of a readme")
    assert detect_format(root) == "yolo"
    assert run(tmp_path, root).ids == ("one",)


def test_empty_file_is_all_outside(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set", {"one": [], "two": [yolo_line(0, CELL)]})
    assert run(tmp_path, root).ids == ("one", "two")
    assert (read_mask(tmp_path / "out", "one") == 0).all()


def test_points_a_little_outside_are_cut(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set", {"one": ["0 -0.02 -0.01 1.03 0 1.01 1.02 -0.01 1"]})
    run(tmp_path, root)
    assert (read_mask(tmp_path / "out", "one") == 1).all()


BOX = "0 0.75 0.25 0.125 0.25"
IN_BOX = np.zeros((HEIGHT, WIDTH), dtype=bool)
IN_BOX[3:9, 22:26] = True


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (BOX, "boxes without an outline: 1"),
        ("1 0.75 0.25", "fewer than 3 points: 1"),
    ],
)
def test_what_cannot_be_drawn_is_not_background(tmp_path: Path, line: str, note: str) -> None:
    notes = run(tmp_path, yolo(tmp_path / "set", {"one": [yolo_line(0, SMALL), line]})).notes
    mask = read_mask(tmp_path / "out", "one")
    if line == BOX:
        np.testing.assert_array_equal(mask, paint((IN_BOX, IGNORE), (in_polygon(SMALL), 1)))
    assert mask[6, 24] == IGNORE
    assert mask[-1, 0] == 0
    what, count = note.split(":")
    assert any(what in text and f"{count} (first" in text and "one.txt: shape 2" in text for text in notes), (
        notes
    )


@pytest.mark.parametrize("lines", [[BOX, "1 0.3 0.5 0.2 0.2"], [f"{BOX} 0.9", f"{BOX} 0.4"]])
def test_boxes_only(tmp_path: Path, lines: list[str]) -> None:
    root = yolo(tmp_path / "set", {"one": lines})
    with pytest.raises(DataError, match=r"no object has an outline \(boxes without an outline: 2\)"):
        run(tmp_path, root)


POSES = {2: "0.75 0.3 0.73 0.2 0 0", 3: "0.75 0.3 2 0.73 0.2 1 0 0 0"}


@pytest.mark.parametrize("numbers", [2, 3])
def test_keypoints_are_no_outline(tmp_path: Path, numbers: int) -> None:
    """Three points make an even count of numbers with x and y alone, an odd one with their visibility."""
    names = f"names: [cell, vein]\nkpt_shape: [3, {numbers}]"
    lines = [f"{BOX} {POSES[numbers]}", yolo_line(1, SMALL)]
    notes = run(tmp_path, yolo(tmp_path / "set", {"one": lines}, names)).notes
    np.testing.assert_array_equal(
        read_mask(tmp_path / "out", "one"), paint((IN_BOX, IGNORE), (in_polygon(SMALL), 2))
    )
    assert any("boxes with keypoints (kpt_shape)" in text for text in notes)
    with pytest.raises(DataError, match=r"no object has an outline \(boxes with keypoints"):
        run(tmp_path, yolo(tmp_path / "set", {"one": lines[:1]}, names))


@pytest.mark.parametrize("numbers", [2, 3])
def test_keypoints_that_nothing_announces(tmp_path: Path, numbers: int) -> None:
    root = yolo(tmp_path / "set", {"one": [f"{BOX} {POSES[numbers]}"] * 2})
    with pytest.raises(DataError, match=r"all 2 lines seem to be a box with keypoints.*write kpt_shape"):
        run(tmp_path, root)


@pytest.mark.parametrize("shape", ["17", "[17]", "[17, x]", "{a: 1}"])
def test_broken_kpt_shape(tmp_path: Path, shape: str) -> None:
    root = yolo(tmp_path / "set", {"one": [yolo_line(0, CELL)]}, f"names: [cell, vein]\nkpt_shape: {shape}")
    with pytest.raises(DataError, match=r"data\.yaml: expected kpt_shape as \[keypoints, numbers each\]"):
        run(tmp_path, root)


def test_a_confidence_behind_every_outline(tmp_path: Path) -> None:
    lines = {
        "one": [f"{yolo_line(0, CELL)} 0.93", f"{yolo_line(1, SMALL)} 0.4"],
        "two": [f"{yolo_line(0, VEIN)} 1"],
    }
    notes = run(tmp_path, yolo(tmp_path / "set", lines)).notes
    mask = paint((in_polygon(CELL), 1), (in_polygon(SMALL), 2))
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), mask)
    assert any("taken for a confidence: 3" in text for text in notes)
    lines["two"] = [yolo_line(0, VEIN)]  # so an odd number is one too many, or one is missing
    with pytest.raises(DataError, match=r"one\.txt: shape 1: expected class x1 y1 x2 y2 \.\.\., got 9 coord"):
        run(tmp_path, yolo(tmp_path / "set", lines))


def test_four_corners_are_drawn(tmp_path: Path) -> None:
    """As of turned boxes; if nothing else is there, it may be a data set of detection."""
    notes = run(tmp_path, yolo(tmp_path / "set", {"one": [yolo_line(1, CELL)]})).notes
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 2)))
    assert any("all shapes have four corners" in text for text in notes)
    notes = run(tmp_path, yolo(tmp_path / "set", {"one": [yolo_line(1, CELL), yolo_line(1, VEIN)]})).notes
    assert not any("four corners" in text for text in notes)


def test_numbers_of_classes_are_one_key(tmp_path: Path) -> None:
    names = "names: {'1': vein, 0.0: cell}"
    run(tmp_path, yolo(tmp_path / "set", {"one": [f"1.0{yolo_line(0, CELL)[1:]}"]}, names))
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 2)))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.1 0.1 nan 0.2 0.3 0.3", "nan is no coordinate"),
        ("0 10 10 90 10 90 90", "from 0 to 1, fractions of the image's width and height, got 90"),
        ("0 0.1 0.1 0.2 0.2 0.3", "got 5 coordinates"),
        ("0 0.1 0.1 0.2 here 0.3 0.3", "expected points"),
        ("cell 0.1 0.1 0.2 0.2 0.3 0.3", "expected a class number, as 0, got 'cell'"),
        ("-1 0.1 0.1 0.2 0.2 0.3 0.3", "expected a class number"),
        ("1.5 0.1 0.1 0.2 0.2 0.3 0.3", "expected a class number"),
        (f"{'9' * 5000} 0.1 0.1 0.2 0.2 0.3 0.3", "expected a class number"),
        ("0", "got a class alone"),
        ("0 50 50 20 20", "from 0 to 1, fractions of the image's width and height, got 50"),
        ("7 0.1 0.1 0.2 0.2 0.3 0.3", r"class 7 has no name; add it to the names in data\.yaml"),
    ],
)
def test_broken_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        run(tmp_path, yolo(tmp_path / "set", {"one": [yolo_line(0, SMALL), line]}))
    assert "one.txt: shape 2" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["names: 3", "names: {cell: 0}", "just text", "names: [", "names: [[1], '']", "names: {0: a, '0': b}"],
)
def test_broken_names(tmp_path: Path, text: str) -> None:
    root = yolo(tmp_path / "set", {"one": [yolo_line(0, CELL)]}, names=text)
    with pytest.raises(DataError, match=r"data\.yaml"):
        run(tmp_path, root)


def test_file_that_is_no_text(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set", {"one": [yolo_line(0, CELL)]})
    (root / "labels/two.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"cannot read the annotation file .*two\.txt.*save it as UTF-8"):
        run(tmp_path, root)
