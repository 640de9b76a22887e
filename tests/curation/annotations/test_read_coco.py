"""COCO json: run lengths, parts, crowds, and files that are not right."""

from __future__ import annotations

import json
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
    expected,
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

from s4former.config import DataError
from s4former.curation.annotations import Conversion, class_names, convert
from s4former.curation.annotations.coco_instances import decode_runs
from s4former.types import IGNORE


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


def boxed(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    pixels = np.zeros((HEIGHT, WIDTH), dtype=bool)
    pixels[top:bottom, left:right] = True
    return pixels


BOX = [20.0, 1, 8.0, 4]
IN_BOX = boxed(20, 1, 28, 5)


@pytest.mark.parametrize(
    "segmentation", [[], None, {}, [[]], {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}]
)
@pytest.mark.parametrize("crowd", [0, 1])
def test_a_box_without_an_outline_is_unknown(tmp_path: Path, segmentation: Any, crowd: int) -> None:
    given = [annotation([flat(CELL)], id=1), annotation(segmentation, bbox=BOX, iscrowd=crowd)]
    notes = run(tmp_path, coco(tmp_path, annotations=given)).notes
    mask = paint((IN_BOX, IGNORE), (in_polygon(CELL), 1))
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), mask)
    assert any(
        "a box and no outline" in line and ": 1 (first" in line and "annotation 9" in line for line in notes
    )


@pytest.mark.parametrize(
    ("fields", "note", "unknown"),
    [
        ({"segmentation": [[21, 2, 26, 2]]}, "fewer than 3 points: 1", boxed(21, 1, 26, 3)),
        ({"segmentation": [[21, 2, 26, 2]], "bbox": BOX}, "a box and no outline", IN_BOX),
        ({"segmentation": [[21, 1, 29, 1.1, 29, 1]]}, "too thin", boxed(21, 1, 29, 2)),
        ({"segmentation": [[25, 3, 25, 3, 25, 3]]}, "too thin", boxed(25, 3, 26, 4)),
        ({"keypoints": [0, 0, 0, 24, 3, 2], "num_keypoints": 1}, "keypoints alone: 1", boxed(24, 2, 25, 4)),
        ({"segmentation": [[20, 1, 28, 1, 28, 5, 20, 5]], "ignore": 1}, "marked to be ignored: 1", IN_BOX),
    ],
)
def test_what_cannot_be_drawn_is_not_background(
    tmp_path: Path, fields: dict[str, Any], note: str, unknown: np.ndarray
) -> None:
    given = [annotation([flat(CELL)], id=1), annotation(None) | fields]
    notes = run(tmp_path, coco(tmp_path, annotations=given)).notes
    mask = read_mask(tmp_path / "out", "one")
    assert (mask[unknown & ~in_polygon(CELL)] == IGNORE).all()
    assert (mask[in_polygon(CELL)] == 1).all()
    assert mask[-1, -1] == 0
    assert any(note.split(":")[0] in line and "(255)" in line and "annotation 9" in line for line in notes), (
        notes
    )


def test_boxes_have_their_place_in_the_order(tmp_path: Path) -> None:
    """A small one hides a large outline of another class, a large one no small outline."""
    given = [
        annotation([flat(CELL)], id=1),
        annotation([], bbox=[9, 7, 4, 4], category_id=18),
        annotation([], id=10, bbox=[0, 0, WIDTH, HEIGHT], category_id=18),
    ]
    run(tmp_path, coco(tmp_path, annotations=given))
    mask = paint((in_polygon(CELL), 1), (boxed(9, 7, 13, 11), IGNORE), outside=IGNORE)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), mask)


def test_an_outline_outside_of_the_image_is_left_out(tmp_path: Path) -> None:
    given = [annotation([flat(CELL)], id=1), annotation([[-9, -9, -5, -9, -5, -5]])]
    notes = run(tmp_path, coco(tmp_path, annotations=given)).notes
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))
    assert any("outside of the image: 1" in line for line in notes)
    with pytest.raises(DataError, match="2 of 3 shapes lie outside of their image"):
        run(tmp_path, coco(tmp_path, annotations=[*given, annotation([[99, 99, 120, 99, 120, 120]])]))


@pytest.mark.parametrize(
    "fields", [{}, {"segmentation": []}, {"segmentation": None, "bbox": [], "keypoints": [0] * 6}]
)
def test_an_object_that_is_nowhere_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    nowhere = {"id": 9, "image_id": 7, "category_id": 4} | fields
    with pytest.raises(DataError, match=r"annotation 9: a 'cell' with neither a segmentation nor a bbox"):
        run(tmp_path, coco(tmp_path, annotations=[annotation([flat(CELL)], id=1), nowhere]))


@pytest.mark.parametrize(
    "segmentation",
    [[flat(CELL)], flat(CELL), [list(corner) for corner in CELL], [[list(corner) for corner in CELL]]],
)
def test_polygons_as_tools_nest_them(tmp_path: Path, segmentation: Any) -> None:
    run(tmp_path, coco(tmp_path, annotations=[annotation(segmentation)]))
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))


@pytest.mark.parametrize("write", [str, float, lambda id: f"{id}.0", lambda id: f" {id} "])
@pytest.mark.parametrize("record", ["images", "annotations", "categories", "category_id"])
def test_numbers_and_texts_of_one_value_are_one_key(tmp_path: Path, write: Any, record: str) -> None:
    content = json.loads(coco(tmp_path).read_text())
    key = {"annotations": "image_id", "category_id": "category_id"}.get(record, "id")
    for entry in content["annotations" if record == "category_id" else record]:
        entry[key] = write(entry[key])
    file = write_json(tmp_path / "annotations.json", content)
    assert class_names(file, "coco") == ["cell", "vein"]
    run(tmp_path, file)
    for id, mask in expected().items():
        np.testing.assert_array_equal(read_mask(tmp_path / "out", Path(id).name), mask)


def test_names_as_ids(tmp_path: Path) -> None:
    """Texts that are no numbers are keys as well, and 007 is another one than 7."""
    images = [{"id": id, "file_name": name} for id, name in (("007", "one.png"), (7, "two.png"))]
    given = [
        annotation([flat(CELL)], image_id="007", category_id="a"),
        annotation([flat(SMALL)], category_id="a"),
    ]
    categories = [{"id": "b", "name": "vein"}, {"id": "a", "name": "cell"}]
    file = coco(tmp_path, images=images, annotations=given, categories=categories)
    assert class_names(file, "coco") == ["cell", "vein"]
    run(tmp_path, file)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "two"), paint((in_polygon(SMALL), 1)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": [{"id": id, "file_name": f"{n}.png"} for n, id in enumerate([7, "7", 3, 3.0, 4])]},
            r"images: ids that stand for more than one: 7, 3; 7 is '0\.png' and '1\.png'",
        ),
        (
            {"categories": [{"id": 4, "name": "cell"}, {"id": "4", "name": "vein"}, {"id": 18, "name": "x"}]},
            "categories: ids that stand for more than one: 4; 4 is 'cell' and 'vein'",
        ),
        ({"images": [{"file_name": "one.png"}]}, "images: entry 0: expected an id, got None"),
        ({"images": [{"id": True, "file_name": "one.png"}]}, "images: entry 0: expected an id, got True"),
        (
            {"images": [{"id": 99, "file_name": "one.png"}]},
            "3 of 3 annotations belong to no image.* 7, 3, .* 99",
        ),
    ],
)
def test_ids_that_do_not_tell_what_they_mean(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(tmp_path, coco(tmp_path, **changes))


def test_an_image_or_category_that_is_listed_twice_is_one(tmp_path: Path) -> None:
    content = json.loads(coco(tmp_path).read_text())
    content["images"] *= 2
    content["categories"] *= 2
    for entry in content["annotations"]:
        entry["id"] = 1  # joins nothing
    run(tmp_path, write_json(tmp_path / "annotations.json", content))
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), expected()["one"])


def test_a_category_that_only_groups_others_is_no_class(tmp_path: Path) -> None:
    """Roboflow lists the project's name as a category of its own."""
    categories = [
        {"id": 0, "name": "leaves", "supercategory": "none"},
        {"id": 4, "name": "cell", "supercategory": "leaves"},
        {"id": 18, "name": "vein", "supercategory": "leaves"},
    ]
    assert class_names(coco(tmp_path, categories=categories), "coco") == ["cell", "vein"]
    categories[1]["supercategory"], categories[2]["supercategory"] = "none", "cell"  # which is used
    assert class_names(coco(tmp_path, categories=categories), "coco") == ["leaves", "cell", "vein"]


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
        ([[1, 1, 5, 5, 9, 9], 3], "expected a segmentation"),
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
        ({"categories": [{"id": 4.5, "name": "cell"}]}, "whole number or a text, got 4.5"),
        ({"categories": [{"id": 4}]}, "expected a name, got None"),
        ({"images": [{"id": 7}]}, "image 7: expected a file_name"),
        ({"images": [{"id": 7, "file_name": "one.png", "height": "x", "width": 3}]}, "image's height"),
        (
            {"images": [{"id": 7, "file_name": "one.png", "height": 0, "width": 3}]},
            "height and width in pixels",
        ),
        ({"annotations": [annotation([flat(CELL)], category_id=5)]}, "category_id 5 is not among"),
        (
            {"annotations": [annotation([], bbox=BOX), annotation(None, bbox=BOX)]},
            "no object has an outline .*a box and no outline: 2.* of a detection data set, not",
        ),
        ({"annotations": [annotation([], bbox=[1, 2, 3])]}, r"expected a bbox as \[x, y, width, height\]"),
        (
            {"annotations": [annotation([], bbox=[1, 2, -3, 4])]},
            r"expected a bbox as \[x, y, width, height\]",
        ),
        (
            {"annotations": [annotation([], bbox=[1, 2, float("nan"), 4])]},
            "expected a number for bbox, got nan",
        ),
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
    given += [annotation([flat(CELL)], id=6), {**annotation([flat(CELL)], id=8), "image_id": None}]
    notes = "\n".join(run(tmp_path, coco(tmp_path, annotations=given)).notes)
    assert "images that the file does not list, skipped: 2" in notes
