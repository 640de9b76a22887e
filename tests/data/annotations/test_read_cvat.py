"""CVAT for images: its shapes, layers, and files that are not right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import (
    CELL,
    NAMES,
    SMALL,
    VEIN,
    cvat,
    cvat_points,
    in_ellipse,
    in_polygon,
    paint,
    read_mask,
    turned_back,
    write_images,
)

from s4former.config.errors import DataError
from s4former.data.annotations import Conversion, class_names, convert, detect_format

POLYGON = f'<polygon label="cell" points="{cvat_points(CELL)}"/>'


def run(root: Path, annotations: Path) -> Conversion:
    images = write_images(root / "photos", "one.png", "two.png")
    return convert(annotations, "cvat", images, NAMES, 0, root / "out")


def drawn(root: Path, *elements: str) -> np.ndarray:
    run(root, cvat(root / "annotations.xml", f"one.png|{''.join(elements)}"))
    return read_mask(root / "out", "one")


def test_box_and_ellipse_turn_about_their_center(tmp_path: Path) -> None:
    mask = drawn(
        tmp_path,
        '<box label="cell" xtl="5.1" ytl="4.2" xbr="18.3" ybr="11.4" rotation="30.0" z_order="0"/>',
        '<ellipse label="vein" cx="20.2" cy="14.1" rx="8.3" ry="3.4" rotation="-45" z_order="0"/>',
    )
    x, y = turned_back((5.1 + 18.3) / 2, (4.2 + 11.4) / 2, 30)
    box = (abs(x) < (18.3 - 5.1) / 2) & (abs(y) < (11.4 - 4.2) / 2)
    np.testing.assert_array_equal(mask, paint((box, 1), (in_ellipse(20.2, 14.1, 8.3, 3.4, -45), 2)))


def test_layers_go_before_the_order_of_the_file(tmp_path: Path) -> None:
    def polygon(label: str, corners: list[tuple[float, float]], layer: int) -> str:
        return f'<polygon label="{label}" points="{cvat_points(corners)}" z_order="{layer}"/>'

    mask = drawn(
        tmp_path,
        polygon("vein", SMALL, 2),
        polygon("cell", CELL, -1),
        polygon("vein", VEIN, 1),
        polygon("cell", VEIN, 1),
    )
    expected = paint((in_polygon(CELL), 1), (in_polygon(VEIN), 1), (in_polygon(SMALL), 2))
    np.testing.assert_array_equal(mask, expected)


def test_attributes_tags_and_points_are_no_shapes(tmp_path: Path) -> None:
    inner = (
        f'<polygon label="cell" points="{cvat_points(CELL)}"><attribute name="age">3</attribute></polygon>'
        '<tag label="blurred"/>'
        '<polyline label="nerve" points="1,1;5,5"/><points label="nerve" points="1,1"/>'
        '<cuboid label="nerve" xtl1="1"/><polygon label="cell" points="1,1;2,2"/>'
    )
    file = cvat(tmp_path / "annotations.xml", f"one.png|{inner}")
    notes = "\n".join(run(tmp_path, file).notes)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))
    assert "lines, points, cuboids and skeletons, left out: 3" in notes
    assert "fewer than 3 points, left out: 1" in notes
    assert class_names(file, "cvat") == ["cell"]


def test_subsets_are_folders(tmp_path: Path) -> None:
    file = cvat(
        tmp_path / "a.xml", *(f'one.png" subset="{subset}|{POLYGON}' for subset in ("Train", "Validation"))
    )
    images = write_images(tmp_path, "val/one.png", "train/one.png", "test/one.png")
    assert convert(file, "cvat", images, NAMES, 0, tmp_path / "out").ids == ("train/one", "val/one")


def test_labels_of_a_project(tmp_path: Path) -> None:
    labels = "<label><name>b</name></label><label><name>a</name></label>"
    meta = f"<meta><project><labels>{labels}</labels></project></meta>"
    assert class_names(cvat(tmp_path / "a.xml", f"one.png|{POLYGON}", meta=meta), "cvat") == ["b", "a"]


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ('<polygon label="cell" points="1,1;nan,2;3,3"/>', "nan is no coordinate"),
        ('<polygon label="cell" points="1,1;2;3,3"/>', "expected points"),
        ('<polygon label="cell" points="1,1;x,2;3,3"/>', "expected points"),
        (f'<polygon points="{cvat_points(CELL)}"/>', "expected a label, got None"),
        ('<box label="cell" xtl="1" ytl="2" xbr="5"/>', "expected a number for ybr, got None"),
        ('<box label="cell" xtl="1" ytl="2" xbr="5" ybr="inf"/>', "expected a number for ybr, got 'inf'"),
        ('<ellipse label="cell" cx="1" cy="2" rx="?" ry="3"/>', "expected a number for rx"),
        ('<mask label="cell" rle="3, 5" left="1" top="1" width="3" height="3"/>', "add up to 8 pixels"),
        ('<mask label="cell" rle="" left="1" top="1" width="3" height="3"/>', "whole numbers"),
        (
            '<mask label="cell" rle="9" left="1" top="1" width="900000" height="900000"/>',
            "on an image of 32 x 24",
        ),
        ('<mask label="cell" rle="9" left="1" top="1" width="0" height="3"/>', "0 x 3 pixels"),
        (f'<polygon label="cell" z_order="top" points="{cvat_points(CELL)}"/>', "a number for z_order"),
    ],
)
def test_broken_element(tmp_path: Path, element: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        drawn(tmp_path, element)
    assert "annotations.xml: image one.png: " in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(tmp_path: Path, encoding: str) -> None:
    """A file of a few lines could otherwise grow without bounds, or read other files."""
    bomb = '<!DOCTYPE annotations [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;">]>'
    text = f'<?xml version="1.0" encoding="{encoding}"?>{bomb}<annotations><image name="&b;"/></annotations>'
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    for read in (detect_format, lambda file: class_names(file, "cvat"), lambda file: run(tmp_path, file)):
        with pytest.raises(DataError, match="DOCTYPE"):
            read(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<annotations><meta/><track label="cell"/></annotations>', "export for videos.*CVAT for images 1.1"),
        ("<annotation><object/></annotation>", "expected 'CVAT for images 1.1'"),
        ('<annotations><image id="4" width="3" height="3"/></annotations>', "image 4: expected a name"),
        ('<annotations><image name="one.png"/></annotations>', "expected the image's width and height"),
        ("", "no element found"),
    ],
)
def test_broken_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        run(tmp_path, tmp_path / "a.xml")
    assert "a.xml" in str(caught.value)
