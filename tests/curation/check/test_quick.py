"""What training looks at before its first step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from folders import make_folder, write_image, write_mask
from s4former.config import DataError
from s4former.curation import Check, check_source, open_source, quick_check
from s4former.curation.check import quick
from s4former.data import SPLITS, DataConfig, Split


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data", labeled=9)


def sound(root: Path, used: Sequence[Split] = SPLITS, **options: float) -> Check | None:
    config = DataConfig(root=str(root))
    return quick_check(open_source(config), config, used, **options)


def spoil(mask: Path) -> None:
    labels = np.array(Image.open(mask))
    labels[5] = 7
    Image.fromarray(labels).save(mask)


def test_sound_sets_and_made_up_ones_pass(root: Path) -> None:
    check = sound(root)
    assert check is not None
    assert check.splits["labeled"].images == 9
    config = DataConfig(source="scenes", root="0")
    assert quick_check(open_source(config), config) is None


def test_one_bad_mask_is_named_as_the_check_names_it(root: Path) -> None:
    spoil(root / "masks/train/a03.png")
    with pytest.raises(DataError, match=r"7 \(48 pixels in 1 masks\)") as caught:
        sound(root)
    config = DataConfig(root=str(root))
    (error,) = check_source(open_source(config), config).of("error")
    assert str(error) in str(caught.value)
    assert "masks/train/a03.png (7: 48 pixels)" in str(caught.value)
    assert "names" in str(caught.value)  # where to say what it means
    assert "s4former check" in str(caught.value)


def test_all_that_is_bad_is_told_at_once(root: Path) -> None:
    for number in range(7):
        spoil(root / f"masks/train/a{number:02}.png")
    write_image(root / "images/train/a07.png", 0, (20, 20))
    (root / "masks/val/v00.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        sound(root)
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 mistakes in the data:"
    assert [line[:2] for line in lines[1:4]] == ["- "] * 3
    assert "a04.png (7: 48 pixels), and 2 more" in str(caught.value)


def test_sizes_are_compared(root: Path) -> None:
    write_mask(root / "masks/val/v01.png", 0, (40, 47))
    with pytest.raises(DataError, match=r"v01.png has 40 x 47 pixels .* 40 x 48"):
        sound(root)


def test_parts_that_are_not_used_are_left_alone(root: Path) -> None:
    write_image(root / "images/test/t.png", 0)
    (root / "masks/test").mkdir()
    (root / "masks/test/t.png").write_bytes(b"")
    sound(root, ["labeled", "val"])
    with pytest.raises(DataError, match=r"t\.png"):
        sound(root, ["labeled", "test"])


def test_unlabeled_images_may_be_bad_but_not_all(root: Path) -> None:
    files = sorted((root / "images/train").glob("u*.png"))
    for file in files[1:]:
        file.write_bytes(b"")
    sound(root)
    files[0].write_bytes(b"")
    with pytest.raises(DataError, match=f"{len(files)} of {len(files)} unlabeled images cannot be read"):
        sound(root)
    sound(root, ["labeled", "val"])  # as a method does that has no use for them


def test_out_of_time_no_more_is_opened_than_proves_the_part_usable(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "_FIRST", 2)
    spoil(root / "masks/train/a03.png")
    check = sound(root, seconds=0)
    assert check is not None
    assert check.splits["labeled"].images == 2
    config = DataConfig(root=str(root))
    source = open_source(config)
    (root / "masks/train/a04.png").unlink()
    with pytest.raises(DataError, match=r"a04\.png"):
        quick_check(source, config, seconds=0)


def test_what_the_check_saw_is_known(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "_FIRST", 2)
    spoil(root / "masks/train/a03.png")
    sound(root, seconds=0)
    config = DataConfig(root=str(root))
    check_source(open_source(config), config)
    with pytest.raises(DataError, match="a03"):
        sound(root, seconds=0)


def test_a_part_without_a_pixel_to_learn_from_is_only_called_so_when_all_of_it_was_seen(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "_FIRST", 2)
    masks = sorted((root / "masks/train").glob("a*.png"))
    for mask in masks[:-2]:
        Image.fromarray(np.full((40, 48), 255, np.uint8)).save(mask)
    sound(root, seconds=0)
    for mask in masks[-2:]:
        Image.fromarray(np.full((40, 48), 255, np.uint8)).save(mask)
    with pytest.raises(DataError, match=f"{len(masks)} of {len(masks)} labeled masks are ignored as a whole"):
        sound(root, seconds=0)


def test_an_image_that_is_scored_under_another_name_is_named(root: Path) -> None:
    (root / "images/val/v00.png").unlink()
    os.link(root / "images/train/a01.png", root / "images/val/v00.png")
    shutil.copy(root / "masks/train/a01.png", root / "masks/val/v00.png")
    (root / "images/val/v01.png").unlink()
    (root / "images/val/v01.png").symlink_to(root / "images/train/a02.png")
    with pytest.raises(DataError, match="2 of 2 val images are the same as labeled ones") as error:
        sound(root)
    assert "images/val/v00.png = images/train/a01.png" in str(error.value)
    assert "images/val/v01.png = images/train/a02.png" in str(error.value)
