"""COCO json: run lengths, parts, crowds, and files that are not right."""

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
    coco,
    flat,
    in_polygon,
    paint,
    read_mask,
    ring,
    runs,
    write_images,
    write_json,
)
from hypothesis import given
from hypothesis import strategies as st

from s4former.config.errors import DataError
from s4former.data.annotations import Conversion, convert
from s4former.data.annotations.coco import decode_runs


def run(root: Path, annotations: Path) -> Conversion:
    images = write_images(root / "photos", "one.png", "two.png")
    return convert(annotations, "coco", images, NAMES, 0, root / "out")


def annotation(segmentation: Any, **fields: Any) -> dict[str, Any]:
    return {"id": 9, "image_id": 7, "category_id": 4, "segmentation": segmentation} | fields


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.sampled_from([0.02, 0.5, 1.0]))
def test_compressed_runs_equal_pycocotools(height: int, width: int, seed: int, share: float) -> None:
    mask_utils = pytest.importorskip("pycocotools.mask")
    mask = np.random.default_rng(seed).random((height, width)) < share
    packed = mask_utils.encode(np.asfortranarray(mask.astype(np.uint8)))
    compressed = {"size": [height, width], "counts": packed["counts"].decode()}
    np.testing.assert_array_equal(decode_runs(compressed, "x").pixels, mask)
    plain = {"size": [height, width], "counts": runs(mask.T)}
    np.testing.assert_array_equal(decode_runs(plain, "x").pixels, mask)


def test_long_runs_equal_pycocotools() -> None:
    mask_utils = pytest.importorskip("pycocotools.mask")
    mask = np.zeros((700, 900), dtype=np.uint8)
    mask[300:310, 20:800] = 1
    packed = mask_utils.encode(np.asfortranarray(mask))
    decoded = decode_runs({"size": [700, 900], "counts": packed["counts"].decode()}, "x")
    np.testing.assert_array_equal(decoded.pixels, mask)


def test_parts_add_up_and_crowds_are_drawn(tmp_path: Path) -> None:
    crowd = {"size": [HEIGHT, WIDTH], "counts": runs(ring().T)}
    given = [
        annotation([flat(SMALL), flat(CELL)]),
        annotation(crowd, image_id=3, iscrowd=1),
    ]
    notes = "\n".join(run(tmp_path, coco(tmp_path, annotations=given)).notes)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "two"), paint((ring(), 1)))
    assert "crowds (iscrowd), drawn as their class: 1" in notes


def test_runs_alone_tell_the_size(tmp_path: Path) -> None:
    """Without sizes of the images, those of the run lengths must be right."""
    images = [{"id": 7, "file_name": "one.png"}]
    mask = np.zeros((HEIGHT, WIDTH + 1), dtype=bool)
    wrong = annotation({"size": [HEIGHT, WIDTH + 1], "counts": runs(mask.T)})
    with pytest.raises(DataError, match=f"{WIDTH + 1} x {HEIGHT}"):
        run(tmp_path, coco(tmp_path, images=images, annotations=[wrong]))
    assert run(tmp_path, coco(tmp_path, images=images, annotations=[annotation([flat(CELL)])])).ids == (
        "one",
    )


@pytest.mark.parametrize(
    ("segmentation", "note"),
    [
        ([[1, 1, 5, 5]], "fewer than 3 points"),
        ([[-9, -9, -5, -9, -5, -5]], "outside of the image"),
        ([[1, 1, 9, 1.1, 9, 1]], "too thin"),
        ([], "box but no mask"),
        (None, "box but no mask"),
    ],
)
def test_left_out_with_a_note(tmp_path: Path, segmentation: Any, note: str) -> None:
    given = [annotation([flat(CELL)], id=1), annotation(segmentation)]
    notes = run(tmp_path, coco(tmp_path, annotations=given)).notes
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))
    assert any(note in line and "annotation 9" in line for line in notes), notes


SIZE = [HEIGHT, WIDTH]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 1, float("nan"), 5, 9, 9]], "nan is no coordinate"),
        ([[1, 1, float("inf"), 5, 9, 9]], "inf is no coordinate"),
        ([[1, 1, 1e300, 5, 9, 9]], "no coordinate"),
        ([[1, 1, 10**400, 5, 9, 9]], "expected points"),
        ([[1, 1, "here", 5, 9, 9]], "expected points"),
        ([[1, 1, 5, 5, 9]], "come in pairs"),
        ([1, 1, 5, 5, 9, 9], "expected a segmentation"),
        ("polygon", "expected a segmentation"),
        ({"size": SIZE, "counts": [5, 5]}, "add up to 10 pixels, the mask has 768"),
        ({"size": SIZE, "counts": [-5, HEIGHT * WIDTH + 5]}, "add up"),
        ({"size": SIZE, "counts": ["many"]}, "whole numbers"),
        ({"size": SIZE, "counts": "abc~~"}, "export it again"),
        ({"size": SIZE, "counts": "PPY"}, "break off|add up"),
        ({"size": SIZE, "counts": "\u00e9"}, "no sign of compressed run lengths"),
        ({"size": SIZE, "counts": None}, "expected counts"),
        ({"size": [HEIGHT], "counts": []}, "size of the run lengths"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "sizes"),
        ({"counts": [HEIGHT * WIDTH]}, "size of the run lengths"),
    ],
)
def test_broken_segmentation(tmp_path: Path, segmentation: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        run(tmp_path, coco(tmp_path, annotations=[annotation(segmentation)]))
    assert "annotations.json: " in str(caught.value)
    assert "annotation 9" in str(caught.value) or "image 7" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": {}}, "images: expected a list of records"),
        ({"annotations": [3]}, "annotations: expected a list of records"),
        ({"categories": None}, "categories: expected a list of records"),
        ({"categories": [{"id": "4", "name": "cell"}]}, "whole number, got '4'"),
        ({"categories": [{"id": 4}]}, "expected a name, got None"),
        ({"images": [{"id": 7}]}, "image 7: expected a file_name"),
        ({"images": [{"id": 7, "file_name": "one.png", "height": "x", "width": 3}]}, "image's height"),
        (
            {"images": [{"id": 7, "file_name": "one.png", "height": 0, "width": 3}]},
            "height and width in pixels",
        ),
        ({"annotations": [annotation([flat(CELL)], category_id=5)]}, "category_id 5 is not among"),
        ({"annotations": [annotation([]), annotation(None)]}, "boxes of a detection data set, not masks"),
        ({"annotations": [{"file_name": "one.png", "segments_info": []}]}, "panoptic"),
        ({"images": [{"id": number, "file_name": "one.png"} for number in (7, 3)]}, "both annotate"),
    ],
)
def test_broken_file(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        run(tmp_path, coco(tmp_path, **changes))
    assert "annotations.json" in str(caught.value)


def test_other_content(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected COCO json"):
        run(tmp_path, write_json(tmp_path / "a.json", [1]))


def test_annotations_of_unlisted_images(tmp_path: Path) -> None:
    given = [annotation([flat(CELL)]), annotation([flat(CELL)], id=5, image_id=99)]
    notes = "\n".join(run(tmp_path, coco(tmp_path, annotations=given)).notes)
    assert "images that the file does not list, left out: 1" in notes
