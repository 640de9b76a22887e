"""Which images are meant: by files, folders and globs in which not all is as it should be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from folders import write_image
from s4former.config import UserError
from s4former.inference import find_images
from s4former.inference import inputs as inputs_module


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a.png", "deep/b.png"):
        write_image(tmp_path / "photos" / name, 1)
    return tmp_path / "photos"


@pytest.mark.parametrize("make", ["pipe", "loop", "broken"])
def test_what_cannot_be_read_is_found_by_its_name_and_in_its_folder(photos: Path, make: str) -> None:
    if make == "pipe":
        os.mkfifo(photos / "x.png")
    else:
        (photos / "x.png").symlink_to("x.png" if make == "loop" else "nothing.png")
    for argument in (photos / "x.png", photos, photos / "*.png"):
        images = find_images([str(argument)]).images
        assert ("x", photos / "x.png") in images


def test_a_folder_that_may_not_be_listed_is_named(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = os.walk

    def refused(folder: Path, onerror: object = None) -> object:
        for parent, folders, names in walk(folder):
            if Path(parent).name == "deep":
                assert callable(onerror)
                onerror(PermissionError(13, "Permission denied", parent))
            else:
                yield parent, folders, names

    monkeypatch.setattr(inputs_module.os, "walk", refused)
    found = find_images([str(photos)])
    assert [stem for stem, _ in found.images] == ["a"]
    assert found.unreadable == (
        f"cannot list the folder {photos / 'deep'}: Permission denied; its owner can allow it",
    )
    with pytest.raises(UserError, match=r"no image in it.*cannot list the folder"):
        find_images([str(photos / "deep")])
