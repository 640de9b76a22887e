"""Whatever stands in an annotation file, it is read or refused with the file's name."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from drawn import NAMES, OUTSIDE, tiny, write_images, write_json

from damage import ODD, changed, places
from s4former.config import DataError
from s4former.curation.annotations import class_names, convert, detect_format

pytestmark = pytest.mark.slow


def try_to_read(path: Path, format: str, images: dict[str, Path], out: Path) -> None:
    for call in (
        lambda: detect_format(path),
        lambda: class_names(path, format),
        lambda: convert(path, format, images, NAMES, OUTSIDE, out),
    ):
        said = ""
        try:
            call()
        except DataError as error:
            said = str(error)
        assert not said or str(path) in said or "/photos/" in said
        assert len(said) < 1500


@pytest.mark.parametrize("format", ["coco", "labelme", "label_studio"])
def test_any_value_may_be_wrong(tmp_path: Path, format: str) -> None:
    images = write_images(tmp_path / "photos", "one.png", "sub/two.png")
    given = tiny(format, tmp_path / "given")
    file = given / "one.json" if format == "labelme" else given
    content = json.loads(file.read_text())
    if format == "coco":
        more = {"bbox": [1, 2, 3, 4], "segmentation": [], "keypoints": [1, 2, 2], "ignore": 0}
        content["annotations"].append({"id": 4, "image_id": 7, "category_id": 4, **more})
    everywhere = [(path, value) for path in places(content) for value in ODD]
    for path, value in random.Random(0).sample(everywhere, 250):
        write_json(file, changed(content, path, value))
        try_to_read(given, format, images, tmp_path / "out")


@pytest.mark.parametrize(
    ("format", "name"), [("cvat", "annotations.xml"), ("yolo", "labels/one.txt"), ("yolo", "data.yaml")]
)
def test_any_text_may_be_broken(tmp_path: Path, format: str, name: str) -> None:
    """Cut off, or with something put in or left out anywhere."""
    images = write_images(tmp_path / "photos", "one.png", "sub/two.png")
    given = tiny(format, tmp_path / "given")
    file = given if given.is_file() else given / name
    text, draw = file.read_text(), random.Random(0)
    for _ in range(150):
        at = draw.randrange(len(text))
        put = draw.choice(
            ["nan", "-", "1e400", "<", "&", '"', "9" * 5000, "\0", ";", "0.5 ", "\n", "[", "*a", ""]
        )
        file.write_text(text[:at] + put + text[at + draw.choice([0, 1, 8, len(text)]) :])
        try_to_read(given, format, images, tmp_path / "out")
