"""Names of annotations and the images they mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from s4former.config import DataError
from s4former.curation.annotations.matching import Images


def images(*files: str) -> Images:
    return Images({Path(file).with_suffix("").as_posix(): Path("/data/photos") / file for file in files}, ())


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.jpg", "a.jpg"),
        ("a.png", "a.jpg"),
        ("a", "a.jpg"),
        ("train/images/a.jpg", "a.jpg"),
        ("..\\photos\\a.jpg", "a.jpg"),
        ("scan.v2", "scan.v2.tif"),
        ("scan.v2.png", "scan.v2.tif"),
        ("b.jpg", "deep/er/b.png"),
        ("leaf_3_dry.jpg", "leaf 3 (dry).jpg"),
        ("leaf%203%20%28dry%29.jpg", "leaf 3 (dry).jpg"),
        ("media/upload/1/0a1b2c3d-leaf_3_dry.jpg", "leaf 3 (dry).jpg"),
        ("C:\\Users\\me\\a.jpg", "a.jpg"),
        ("100%25.jpg", "100%25.jpg"),
        ("cafe\u0301.jpg", "caf\u00e9.jpg"),
        ("caf\u00e9.jpg", "cafe\u0301.jpg"),
    ],
)
def test_found(name: str, file: str) -> None:
    match = images(file, "other.png").find([name], "x.json")
    assert match is not None
    assert match.id == Path(file).with_suffix("").as_posix()


@pytest.mark.parametrize("name", ["b.jpg", "aa.jpg", "A1.jpg", "", "/", "..", "photos", "a.jpg/b"])
def test_not_found(name: str) -> None:
    assert images("a.jpg").find([name], "x.json") is None


def test_an_image_that_is_called_as_it_is_goes_before_one_whose_name_was_changed() -> None:
    for name in ("0a1b2c3d-a.jpg", "a%20b.jpg"):
        found = images(name, "a.jpg", "a b.jpg").find([name], "x.json")
        assert found is not None
        assert f"{found.id}.jpg" == name


def test_first_name_that_is_known_counts() -> None:
    found = images("one.png", "two.png").find(["gone.png", "two.jpg", "one.png"], "x.json")
    assert found is not None
    assert found.id == "two"


@pytest.mark.parametrize("folder", ["train", "images/train", "train/left", "train2017", "Training"])
def test_parts_of_a_data_set_are_not_mixed_up(folder: str) -> None:
    same = ["a.png", "train/a.png", "images/a.png", "valley/a.png", "trainer/a.png", "val/x/train_1/a.png"]
    other = ["val/a.png", "test/a.png", "val2017/a.jpg", "valid/images/a", "validation/left/a.png"]
    known = Images({"a": Path(f"/data/{folder}/a.png")}, same + other)
    for name in same:
        assert known.find([name], "x.json") is not None
    for name in other:
        assert known.find([name], "x.json") is None


def test_a_folder_that_no_name_knows_is_no_part() -> None:
    """As where somebody keeps all of a data set in a folder called ``test``."""
    known = Images({"a": Path("/home/me/test/photos/a.png")}, ["train/a.png", "val/b.png"])
    assert known.find(["train/a.png"], "x.json") is not None


def test_folders_decide_between_images_of_one_name() -> None:
    known = images("train/left/a.png", "val/left/a.png", "val/right/a.png")
    for name, id in (
        ("val/left/a.jpg", "val/left/a"),
        ("x/right/a.png", "val/right/a"),
        ("right/a", "val/right/a"),
    ):
        found = known.find([name], "x.json")
        assert found is not None
        assert found.id == id
    with pytest.raises(DataError, match=r"x\.json: left/a\.png may mean .*train/left/a\.png and .*val/left"):
        known.find(["left/a.png"], "x.json")
