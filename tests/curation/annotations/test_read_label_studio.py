"""Label Studio json: both exports, its regions, several annotators, and files that are not right."""

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
    VEIN,
    WIDTH,
    brush,
    in_ellipse,
    in_polygon,
    label_studio_region,
    label_studio_task,
    paint,
    percent,
    read_mask,
    ring,
    turned_back,
    write_images,
    write_json,
)
from PIL import Image

from s4former.config import DataError
from s4former.curation.annotations import Conversion, Notes, class_names, convert, detect_format
from s4former.curation.annotations.label_studio_regions import decode_brush, shapes_of
from s4former.types import IGNORE


def run(root: Path, content: Any) -> Conversion:
    images = write_images(
        root / "photos", "one.png", "two.png", "leaf 3 (dry).png", "#4 two.png", "50%+a&b.png"
    )
    return convert(write_json(root / "export.json", content), "label_studio", images, NAMES, 0, root / "out")


def polygon(label: str = "cell", corners: Any = CELL, **fields: Any) -> dict[str, Any]:
    return label_studio_region("polygonlabels", label, points=percent(corners), closed=True) | fields


def drawn(root: Path, *regions: dict[str, Any]) -> np.ndarray:
    run(root, [label_studio_task(1, "/data/upload/1/0a1b2c3d-one.png", list(regions))])
    return read_mask(root / "out", "one")


@pytest.mark.parametrize("literal", [False, True])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_brush(literal: bool, seed: int | None) -> None:
    mask = ring() if seed is None else np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.5
    np.testing.assert_array_equal(decode_brush(brush(mask, literal), HEIGHT, WIDTH, "x").pixels, mask)


def test_brush_by_hand() -> None:
    """12476 times 0 (16-bit count), 4 times 255 (3-bit count), after the header that real files have."""
    packed = [0, 0, 48, 192, 57, 27, 255, 48, 187, 0, 143, 252]
    pixels = decode_brush(packed, 52, 60, "x").pixels
    assert np.argwhere(pixels).tolist() == [[51, 59]]


def test_rectangle_turns_about_its_corner_and_ellipse_about_its_center(tmp_path: Path) -> None:
    x0, y0, width, height = 10.1, 4.3, 12.2, 6.1
    share = {"x": 100 * x0 / WIDTH, "y": 100 * y0 / HEIGHT}
    box = {"width": 100 * width / WIDTH, "height": 100 * height / HEIGHT, "rotation": 35}
    round_ = {"x": 60, "y": 70, "radiusX": 20, "radiusY": 10, "rotation": 70}
    mask = drawn(
        tmp_path,
        label_studio_region("rectanglelabels", "cell", **share, **box),
        label_studio_region("ellipselabels", "vein", **round_),
    )
    x, y = turned_back(x0, y0, 35)
    expected = (x > 0) & (x < width) & (y > 0) & (y < height)
    ellipse = in_ellipse(0.6 * WIDTH, 0.7 * HEIGHT, 0.2 * WIDTH, 0.1 * HEIGHT, 70)
    np.testing.assert_array_equal(mask, paint((expected, 1), (ellipse, 2)))


def test_json_min(tmp_path: Path) -> None:
    def region(kind: str, label: str, **value: Any) -> dict[str, Any]:
        return {**value, kind: [label], "original_width": WIDTH, "original_height": HEIGHT}

    content = [
        {
            "image": "/data/upload/1/0a1b2c3d-one.png",
            "id": 1,
            "label": [
                region("polygonlabels", "cell", points=percent(CELL)),
                region("polygonlabels", "vein", points=percent(SMALL)),
            ],
            "quality": "good",
            "annotator": 1,
            "annotation_id": 5,
            "updated_at": "2024-01-02T00:00:00Z",
        },
        {
            "image": "/data/upload/1/0a1b2c3d-two.png",
            "id": 2,
            "brush": [region("brushlabels", "cell", format="rle", rle=brush(ring()))],
        },
    ]
    assert detect_format(write_json(tmp_path / "min.json", content)) == "label_studio"
    assert class_names(tmp_path / "min.json", "label_studio") == ["cell", "vein"]
    assert run(tmp_path, content).ids == ("one", "two")
    expected = paint((in_polygon(CELL), 1), (in_polygon(SMALL), 2))
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), expected)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "two"), paint((ring(), 1)))


@pytest.mark.parametrize(
    ("image", "id"),
    [
        ("/data/upload/1/0a1b2c3d-one.png", "one"),
        ("/data/upload/1/0a1b2c3d-leaf_3_dry.png", "leaf 3 (dry)"),
        ("/data/local-files/?d=photos/leaf%203%20%28dry%29.png", "leaf 3 (dry)"),
        ("s3://bucket/a/b/one.png", "one"),
        ("https://host/a/leaf%203%20(dry).png?X-Amz-Expires=3600&token=a.b", "leaf 3 (dry)"),
        ("one.png", "one"),
        ("gs://bucket/a/one", "one"),
        ("/data/local-files/?d=photos/#4 two.png", "#4 two"),
        ("/data/local-files/?d=C%3A%5CUsers%5Cme%5Cone.png", "one"),
        ("C:\\Users\\me\\one.png", "one"),
        ("/data/upload/1/0a1b2c3d-leaf%203%20(dry).png", "leaf 3 (dry)"),
        ("/data/local-files/?d=photos/50%+a&b.png", "50%+a&b"),
    ],
)
def test_addresses_of_images(tmp_path: Path, image: str, id: str) -> None:
    task = label_studio_task(1, image, [polygon()])
    task["data"] = {"caption": "about.txt", "image": image}
    assert run(tmp_path, [task]).ids == (id,)


def test_a_field_of_any_name(tmp_path: Path) -> None:
    task = label_studio_task(1, "one.png", [polygon()])
    task["data"] = {"caption": "a leaf", "photo": "s3://bucket/one.png", "thumbnail": 3, "note": "//[x"}
    assert run(tmp_path, [task]).ids == ("one",)


def test_which_of_two_images_was_drawn_on(tmp_path: Path) -> None:
    task = label_studio_task(1, "one.png", [polygon(to_name="photo")])
    task["data"] = {"after": "one.png", "photo": "two.png"}
    assert run(tmp_path, [task]).ids == ("two",)
    task["annotations"][0]["result"].append(polygon(to_name="after", id="b"))
    with pytest.raises(DataError, match=r"task 1: its regions are for several images \(after, photo\)"):
        run(tmp_path, [task])


def test_first_of_several_labels_counts(tmp_path: Path) -> None:
    region = polygon()
    region["value"]["polygonlabels"] = ["vein", "cell"]
    notes = run(tmp_path, [label_studio_task(1, "one.png", [region])]).notes
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 2)))
    assert any("several labels, of which the first counts: 1" in note for note in notes)


def test_an_upload_that_kept_its_name(tmp_path: Path) -> None:
    images = write_images(tmp_path / "media", "0a1b2c3d-one.png", "one.png")
    file = write_json(
        tmp_path / "a.json", [label_studio_task(1, "/data/upload/1/0a1b2c3d-one.png", [polygon()])]
    )
    done = convert(file, "label_studio", images, NAMES, 0, tmp_path / "out")
    assert done.ids == ("0a1b2c3d-one",)


def test_ground_truth_counts_else_the_last_annotation(tmp_path: Path) -> None:
    drawings = ([polygon(corners=corners)] for corners in (SMALL, CELL, VEIN))
    task = label_studio_task(1, "one.png", *drawings)
    for annotation, day in zip(task["annotations"], (1, 3, 2), strict=True):
        annotation["updated_at"] = f"2024-01-0{day}T00:00:00Z"
    notes = "\n".join(run(tmp_path, [task]).notes)
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))
    assert "ground truth or the last counts: 2" in notes
    task["annotations"][0]["ground_truth"] = True
    run(tmp_path, [task])
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(SMALL), 1)))
    task["annotations"][0]["was_cancelled"] = True
    run(tmp_path, [task])
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))


def test_nobody_annotated_is_not_nothing_there(tmp_path: Path) -> None:
    """A task without annotation has no mask, predicted or not; one submitted empty is all outside."""
    open_task = label_studio_task(1, "one.png")
    open_task["predictions"] = [{"result": [polygon()]}]
    done = run(tmp_path, [open_task, label_studio_task(2, "two.png", [])])
    assert done.ids == ("two",)
    assert (read_mask(tmp_path / "out", "two") == 0).all()
    assert any("nobody annotated (models' predictions are not used), skipped: 1" in n for n in done.notes)


def test_label_in_a_record_of_its_own(tmp_path: Path) -> None:
    """With the Labels tag, geometry comes twice: without a label, and with it."""
    bare = polygon(type="polygon")
    bare["value"] = {"points": percent(CELL)}
    labeled = label_studio_region("labels", "cell", points=percent(CELL))
    choice = {"value": {"choices": ["good"]}, "from_name": "quality", "type": "choices"}
    relation = {"from_id": "a1", "to_id": "a2", "type": "relation"}
    done = run(tmp_path, [label_studio_task(1, "one.png", [bare, labeled, choice, relation])])
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))
    assert not any("skipped" in note for note in done.notes)


FAR = [(24.0, 2.0), (30.0, 2.0), (30.0, 8.0), (24.0, 8.0)]


def vector(*corners: Any, closed: bool, **bend: Any) -> dict[str, Any]:
    vertices = [
        {"id": str(n), "x": x, "y": y, "isBezier": False} for n, (x, y) in enumerate(percent(corners))
    ]
    vertices[-1] |= bend
    return label_studio_region("vectorlabels", "nerve", vertices=vertices, closed=closed)


@pytest.mark.parametrize(
    ("region", "note", "marked"),
    [
        (label_studio_region("keypointlabels", "nerve", x=80, y=70, width=0.5), "keypoints", (25, 16)),
        (
            label_studio_region("keypointlabels", "nerve", x=80, y=70, width=0.5, height=0.5),
            "keypoints",
            (25, 16),
        ),
        (polygon("nerve", [(24, 2), (30, 8)]), "polygons of fewer than 3 points", (27, 5)),
        (
            label_studio_region("polygonlabels", "nerve", points=percent(FAR), closed=False),
            "polygons not closed",
            (27, 5),
        ),
        (vector((24, 2), (30, 8), closed=False), "lines", (27, 5)),
        (
            vector(*FAR, closed=True, controlPoint1={"x": 75, "y": 40}, controlPoint2={"x": 74, "y": 20}),
            "vectors with bends",
            (27, 7),
        ),
        (
            {**polygon(), "value": {"points": percent(FAR)}, "id": "zz"},
            "regions without a label",
            (27, 5),
        ),
    ],
)
def test_what_cannot_be_drawn_is_not_background(
    tmp_path: Path, region: dict[str, Any], note: str, marked: tuple[int, int]
) -> None:
    """It is unknown where it was marked; drawn outlines and background far from it stay."""
    tasks = [label_studio_task(1, "one.png", [polygon(corners=SMALL), {**region, "id": "b2"}])]
    notes = run(tmp_path, tasks).notes
    mask = read_mask(tmp_path / "out", "one")
    assert mask[marked[1], marked[0]] == IGNORE
    assert (mask[in_polygon(SMALL)] == 1).all()
    assert mask[-1, 0] == 0
    where = "export.json: task 1: region 'b2'"
    assert any(note in line and "(255)" in line and where in line for line in notes), notes
    assert class_names(tmp_path / "export.json", "label_studio") == ["cell"]


def test_vector_of_corners_is_a_polygon(tmp_path: Path) -> None:
    region = vector(*CELL, closed=True)
    region["value"]["vectorlabels"] = ["cell"]
    np.testing.assert_array_equal(drawn(tmp_path, region), paint((in_polygon(CELL), 1)))


def test_bitmask(tmp_path: Path) -> None:
    """Black pixels on transparent ground, as the tag writes them."""
    alpha = Image.fromarray(ring().astype(np.uint8) * 255)
    picture = Image.merge("RGBA", [*[Image.new("L", alpha.size)] * 3, alpha])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    address = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    region = label_studio_region("bitmasklabels", "cell", imageDataURL=address)
    np.testing.assert_array_equal(drawn(tmp_path, region), paint((ring(), 1)))
    with pytest.raises(DataError, match="its bitmask has 32 x 24 pixels, the image 33 x 24"):
        shapes_of([region | region["value"] | {"original_width": WIDTH + 1}], "x", Notes())


def test_results_that_mark_no_part_of_an_image(tmp_path: Path) -> None:
    """They are about all of it, beside regions; alone they are no masks, which are not all background."""
    choice = {"id": "c", "value": {"choices": ["good"]}, "from_name": "quality", "type": "choices"}
    heard = {"id": "t", "value": {"start": 1, "end": 2, "labels": ["cell"]}, "type": "labels"}
    text = {"id": "x", "value": {"text": ["a leaf"]}, "from_name": "note", "type": "textarea"}
    done = run(tmp_path, [label_studio_task(1, "one.png", [choice, heard, text, polygon()])])
    np.testing.assert_array_equal(read_mask(tmp_path / "out", "one"), paint((in_polygon(CELL), 1)))
    assert not any("255" in note for note in done.notes)
    with pytest.raises(DataError, match=r"no result marks a part of an image.*'choices' \(1\)"):
        run(tmp_path, [label_studio_task(1, "one.png", [choice, heard, text])])


def test_keypoints_alone(tmp_path: Path) -> None:
    point = label_studio_region("keypointlabels", "cell", x=80, y=70, width=0.5)
    with pytest.raises(DataError, match=r"no object has an outline \(keypoints: 1\)"):
        run(tmp_path, [label_studio_task(1, "one.png", [point])])
    assert class_names(tmp_path / "export.json", "label_studio") == ["cell"]


def test_predictions_alone_are_not_used(tmp_path: Path) -> None:
    task = {"id": 1, "data": {"image": "one.png"}, "predictions": [{"result": [polygon()]}]}
    assert detect_format(write_json(tmp_path / "tasks.json", [task])) == "label_studio"
    with pytest.raises(DataError, match=r"nobody annotated.*predictions"):
        run(tmp_path, [task])


PACKED = brush(ring())


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (
            {**polygon(), "value": {"polygonlabels": ["cell"]}},
            r"nothing tells where this 'cell' is \(type 'polygon",
        ),
        (label_studio_region("brushlabels", "cell", format="new"), "nothing tells where this 'cell' is"),
        (label_studio_region("polygonlabels", "cell", points=[]), "without a point is nowhere"),
        (label_studio_region("bitmasklabels", "cell", imageDataURL="abc"), "cannot read its mask"),
        (label_studio_region("bitmasklabels", "cell", imageDataURL=3), "cannot read its mask"),
        (label_studio_region("vectorlabels", "cell", vertices=[{"x": 1}]), "nan is no coordinate"),
        (polygon(image_rotation=90), "turned by 90 degrees in Label Studio"),
        (polygon(corners=[(1, 1), (float("nan"), 2), (3, 3)]), "nan is no coordinate"),
        (label_studio_region("polygonlabels", "cell", points="many"), "expected points"),
        (label_studio_region("rectanglelabels", "cell", x=None, y=1, width=1, height=1), "a number for x"),
        (label_studio_region("ellipselabels", "cell", x=1, y=1, radiusX=3), "a number for radiusY, got None"),
        (label_studio_region("brushlabels", "cell", rle=PACKED[:-20]), "break off"),
        (label_studio_region("brushlabels", "cell", rle=[]), "break off"),
        (label_studio_region("brushlabels", "cell", rle=[1, 2, 300]), "cannot read the run lengths"),
        (label_studio_region("brushlabels", "cell", rle="abc"), "cannot read the run lengths"),
        (label_studio_region("brushlabels", "cell", rle=[9, *PACKED[1:]]), "the image has 3072 of 8"),
        (label_studio_region("brushlabels", "cell", rle=[*PACKED[:7], *[255] * 9]), "more words|break off"),
        (polygon(original_width=None), "lacks original_width"),
        (polygon(original_height="tall"), "the image's height, got 'tall'"),
    ],
)
def test_broken_region(tmp_path: Path, region: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        drawn(tmp_path, region)
    assert "export.json: task 1" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"tasks": []}, "expected a list of records"),
        ([1], "expected a list of records"),
        (
            [{"id": 1, "data": {"text": "hello"}, "annotations": [{"result": []}]}],
            "none of the fields text names an image",
        ),
        ([{"id": 1, "data": {"image": "one.png"}, "annotations": 3}], "task 1: expected a list of records"),
        ([label_studio_task(1, "one.png", "nothing")], "task 1: expected a list of records"),
        ([label_studio_task(1, "one.png", [polygon(), polygon(original_width=99)])], "different sizes"),
        ([label_studio_task(1, name, [polygon()]) for name in ("one.png", "a/one.png")], "both annotate"),
    ],
)
def test_broken_file(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        run(tmp_path, content)
    assert "export.json" in str(caught.value)
