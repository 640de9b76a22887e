"""Several masks of one image: what their names tell, and the one mask that is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.config import DataError
from s4former.curation.annotations import class_names, convert

SIZE = (6, 8)


def write(root: Path, name: str, row: int) -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[row] = 255
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(root / name)


@pytest.mark.parametrize(
    ("pattern", "classes"),
    [
        ("m/{image}_{label}.png", ("hair", "skin")),
        ("m/{image}-{label}.png", ("light_hair", "skin")),
        ("m/{label}/{image}.png", ("hair", "skin")),
        ("m/{image}/{label}.png", ("hair", "skin")),
    ],
)
def test_one_mask_a_class(tmp_path: Path, pattern: str, classes: tuple[str, str]) -> None:
    images = {}
    for number, image in enumerate(("im_0", "im_1", "im_2")):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / f"{image}.jpg")
        images[f"i/{image}"] = tmp_path / f"{image}.jpg"
        for index, label in enumerate(classes):
            write(tmp_path, pattern.format(image=image, label=label), number + index)
    assert class_names(tmp_path / "m", "mask_files") == sorted(classes)
    names = ("background", *classes)
    made = convert(tmp_path / "m", "mask_files", images, names, 0, tmp_path / "out")
    assert made.ids == tuple(images)
    for number, id in enumerate(images):
        expected = np.zeros(SIZE, np.uint8)
        expected[number], expected[number + 1] = 1, 2
        assert np.array_equal(np.array(Image.open(tmp_path / f"out/{id}.png")), expected)


def test_one_mask_an_object(tmp_path: Path) -> None:
    images = {"i/a": tmp_path / "i/a.png"}
    write(tmp_path, "i/a.png", 0)
    for row in (1, 3):
        write(tmp_path, f"all/a/masks/{row}xyz.png", row)
    write(tmp_path, "all/a/images/a.png", 5)
    convert(tmp_path / "all", "mask_files", images, ("background", "object"), 0, tmp_path / "out")
    mask = np.array(Image.open(tmp_path / "out/i/a.png"))
    assert mask.any(axis=1).tolist() == [False, True, False, True, False, False]


def test_names_that_tell_no_class(tmp_path: Path) -> None:
    write(tmp_path, "m/a.png", 0)
    with pytest.raises(DataError, match="a tells no class"):
        class_names(tmp_path / "m", "mask_files")
