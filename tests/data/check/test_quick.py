"""What training looks at before its first step."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from folders import make_folder, write_image, write_mask
from PIL import Image

from s4former.config.errors import DataError
from s4former.data.check import require_sound
from s4former.data.config import DataConfig
from s4former.data.sources import open_source


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data", labeled=9)


def sound(root: Path, **options: float) -> None:
    require_sound(open_source(DataConfig(root=str(root))), **options)


def spoil(mask: Path) -> None:
    labels = np.array(Image.open(mask))
    labels[5] = 7
    Image.fromarray(labels).save(mask)


def test_sound_sets_and_made_up_ones_pass(root: Path) -> None:
    sound(root)
    require_sound(open_source(DataConfig(source="scenes", root="0")))


def test_one_bad_mask_is_named_as_ever(root: Path) -> None:
    spoil(root / "masks/train/a03.png")
    with pytest.raises(DataError, match=r"^\S+a03.png: unknown label value 7 \(48 pixels\)"):
        sound(root)


def test_all_bad_files_are_told_at_once(root: Path) -> None:
    for number in range(6):
        spoil(root / f"masks/train/a{number:02}.png")
    write_image(root / "images/train/a06.png", 0, (20, 20))
    (root / "masks/val/v00.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        sound(root)
    lines = str(caught.value).splitlines()
    assert lines[0] == "8 labeled or val images cannot be used as they are:"
    assert [line[:2] for line in lines[1:6]] == ["- "] * 5
    assert lines[6] == "- and 3 more"
    assert "expected 0 " in lines[1]  # what to do is said once
    for number, line in enumerate(lines[2:6], start=1):
        assert line.endswith(f"a0{number}.png: unknown label value 7 (48 pixels)")
    assert "s4former check" in lines[7]


def test_sizes_are_compared(root: Path) -> None:
    write_mask(root / "masks/val/v01.png", 0, (40, 47))
    with pytest.raises(DataError, match=r"v01.png has 40 x 48 pixels .* 40 x 47"):
        sound(root)


def test_unlabeled_and_test_images_are_left_alone(root: Path) -> None:
    (root / "images/train/u00.png").write_bytes(b"")
    write_image(root / "images/test/t.png", 0)
    (root / "masks/test").mkdir()
    (root / "masks/test/t.png").write_bytes(b"")
    sound(root)


def test_out_of_time_files_must_still_exist(root: Path) -> None:
    spoil(root / "masks/train/a03.png")
    source = open_source(DataConfig(root=str(root)))
    require_sound(source, seconds=0)
    (root / "masks/train/a04.png").unlink()
    with pytest.raises(DataError, match=r"there is no file .*a04.png"):
        require_sound(source, seconds=0)


def test_an_image_that_is_scored_under_another_name_is_named(tmp_path: Path) -> None:
    root = make_folder(tmp_path)
    (root / "images/val/v00.png").unlink()
    os.link(root / "images/train/a01.png", root / "images/val/v00.png")
    shutil.copy(root / "masks/train/a01.png", root / "masks/val/v00.png")
    (root / "images/val/v01.png").unlink()
    (root / "images/val/v01.png").symlink_to(root / "images/train/a02.png")
    with pytest.raises(DataError, match="2 labeled or val images") as error:
        require_sound(open_source(DataConfig(root=str(root))))
    assert "a01.png by a link" in str(error.value)
    assert "a02.png by a link" in str(error.value)
