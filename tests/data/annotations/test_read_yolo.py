"""YOLO polygons: where labels and names lie, and files that are not right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import (
    CELL,
    NAMES,
    SMALL,
    in_polygon,
    paint,
    read_mask,
    write_images,
    yolo,
    yolo_line,
)

from s4former.config.errors import DataError
from s4former.data.annotations import Conversion, class_names, convert, detect_format
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


@pytest.mark.parametrize(
    ("line", "note"),
    [("0 0.5 0.5 0.2 0.2", "boxes (a class and 4 numbers)"), ("0 0.5 0.5", "fewer than 3 points")],
)
def test_left_out_with_a_note(tmp_path: Path, line: str, note: str) -> None:
    notes = run(tmp_path, yolo(tmp_path / "set", {"one": [yolo_line(0, SMALL), line]})).notes
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(SMALL), 1)))
    assert any(note in text and "one.txt: shape 2" in text for text in notes), notes


def test_boxes_only(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set", {"one": ["0 0.5 0.5 0.2 0.2", "1 0.3 0.5 0.2 0.2"]})
    with pytest.raises(DataError, match="all 2 lines hold a class and 4 numbers: these are boxes"):
        run(tmp_path, root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.1 0.1 nan 0.2 0.3 0.3", "nan is no coordinate"),
        ("0 10 10 90 10 90 90", "from 0 to 1, fractions of the image's width and height, got 90"),
        ("0 0.1 0.1 0.2 0.2 0.3", "got 5 coordinates"),
        ("0 0.1 0.1 0.2 here 0.3 0.3", "expected points"),
        ("cell 0.1 0.1 0.2 0.2 0.3 0.3", "expected a class number at the start of a line, got 'cell'"),
        ("-1 0.1 0.1 0.2 0.2 0.3 0.3", "expected a class number"),
        ("1.0 0.1 0.1 0.2 0.2 0.3 0.3", "expected a class number"),
        ("7 0.1 0.1 0.2 0.2 0.3 0.3", r"class 7 has no name; add it to the names in data\.yaml"),
    ],
)
def test_broken_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        run(tmp_path, yolo(tmp_path / "set", {"one": [yolo_line(0, SMALL), line]}))
    assert "one.txt: shape 2" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["names: 3", "names: {cell: 0}", "just text", "names: [", "names: [[1], '']"]
)
def test_broken_names(tmp_path: Path, text: str) -> None:
    root = yolo(tmp_path / "set", {"one": [yolo_line(0, CELL)]}, names=text)
    with pytest.raises(DataError, match=r"data\.yaml"):
        run(tmp_path, root)


def test_file_that_is_no_text(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set", {"one": [yolo_line(0, CELL)]})
    (root / "labels/two.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"cannot read the annotation file .*two\.txt"):
        run(tmp_path, root)
