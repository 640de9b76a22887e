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

from s4former.config import DataError
from s4former.curation.annotations import Conversion, class_names, convert, detect_format
from s4former.types import IGNORE

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


CUBOID = " ".join(
    f'x{corner}{face}="{x}" y{corner}{face}="{y}"'
    for face, shift in ((1, 0), (2, 3))
    for corner, x, y in (
        ("tl", 20 + shift, 1),
        ("bl", 20 + shift, 5),
        ("tr", 24 + shift, 1),
        ("br", 24 + shift, 5),
    )
)


@pytest.mark.parametrize(
    ("element", "note", "marked"),
    [
        ('<polyline label="nerve" points="24,2;30,8"/>', "lines", (27, 5)),
        ('<points label="nerve" points="26,18;2,20"/>', "points", (2, 20)),
        (f'<cuboid label="nerve" {CUBOID}/>', "cuboids", (26, 4)),
        (
            '<skeleton label="nerve"><points label="a" outside="0" points="24,2"/><points label="b" '
            'points="30,2"/><points label="c" points="30,8"/><points label="d" outside="1" points="0,0"/>'
            "</skeleton>",
            "skeletons",
            (28, 3),
        ),
        ('<polygon label="cell" points="24,2;30,8"/>', "polygons of fewer than 3 points", (27, 5)),
        ('<star label="nerve" points="24,2;30,2;30,8"/>', "the unknown type star", (28, 4)),
    ],
)
def test_what_cannot_be_drawn_is_not_background(
    tmp_path: Path, element: str, note: str, marked: tuple[int, int]
) -> None:
    """It is unknown where it was marked; drawn outlines and background far from it stay."""
    small = f'<polygon label="cell" points="{cvat_points(SMALL)}"/>'
    file = cvat(tmp_path / "annotations.xml", f"one.png|{small}{element}")
    notes = run(tmp_path, file).notes
    mask = read_mask(tmp_path / "out", "one")
    assert mask[marked[1], marked[0]] == IGNORE
    assert (mask[in_polygon(SMALL)] == 1).all()
    assert mask[-1, 16] == mask[0, 0] == 0
    assert any(note in line and "(255)" in line and "image one.png" in line for line in notes), notes
    assert class_names(file, "cvat") == ["cell"]


def test_a_cuboid_is_within_its_hull(tmp_path: Path) -> None:
    mask = drawn(tmp_path, POLYGON, f'<cuboid label="vein" {CUBOID}/>')
    hull = in_polygon([(20, 1), (27, 1), (27, 5), (20, 5)])
    np.testing.assert_array_equal(mask, paint((in_polygon(CELL), 1), (hull, IGNORE)))


def test_attributes_and_tags_are_no_shapes(tmp_path: Path) -> None:
    inner = (
        f'<polygon label="cell" occluded="1" points="{cvat_points(CELL)}"><attribute name="age">3</attribute>'
        f'</polygon><tag label="blurred"/><polygon label="vein" outside="1" points="{cvat_points(VEIN)}"/>'
    )
    file = cvat(tmp_path / "annotations.xml", f"one.png|{inner}")
    notes = "\n".join(run(tmp_path, file).notes)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))
    assert "tags of whole images, skipped: 1" in notes
    assert "have left the image (outside), skipped: 1" in notes


@pytest.mark.parametrize(
    "inner", ['<points label="cell" points="1,1"/>', '<polyline label="cell" points="1,1;5,5"/>']
)
def test_nothing_with_an_outline(tmp_path: Path, inner: str) -> None:
    file = cvat(tmp_path / "annotations.xml", f"one.png|{inner}{inner}")
    with pytest.raises(DataError, match="no object has an outline"):
        run(tmp_path, file)


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
        ('<polygon label="cell" points=""/>', "a 'cell' without a point is nowhere"),
        (
            '<skeleton label="cell"><points outside="1" points="1,1"/></skeleton>',
            "without a point is nowhere",
        ),
        ('<cuboid label="cell" xtl1="1"/>', "expected a number for ytl1, got None"),
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
        (
            '<annotations><image name="one.png" width="32" height="24"/><track label="cell"/></annotations>',
            "export for videos",
        ),
        (
            '<annotations><image name="one.png" width="32" height="24"><tag/></image></annotations>',
            "tags of whole images alone",
        ),
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
