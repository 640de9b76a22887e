"""Checking lists: the published ones, and lists with each kind of mistake."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from folders import write_image, write_mask
from s4former.config import DataError
from s4former.curation.splits.check import SplitCheck, check_splits, find_lists

pytestmark = pytest.mark.slow

_PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "splits"


@pytest.fixture(scope="module")
def published() -> Path:
    """The published lists, described in the folder's own README."""
    if not _PUBLISHED.is_dir():
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"{_PUBLISHED} is missing", pytrace=False)
        pytest.skip(f"{_PUBLISHED} is missing")
    return _PUBLISHED


def write(folder: Path, **lists: str) -> SplitCheck:
    folder.mkdir(exist_ok=True)
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text(lines.replace(" | ", "\n"))
    return check_splits(find_lists([folder]))


def test_all_lists_of_the_authors(published: Path) -> None:
    check = check_splits(find_lists([published / "s4former"]))
    counts = {f"{one.path.parent.name}/{one.path.stem}": one.images for one in check.lists}
    assert len(counts) == 23
    assert not check.all_problems
    classic = {92: 10490, 183: 10399, 366: 10216, 732: 9850, 1464: 9118}
    blended = {662: 9920, 1323: 9259, 2646: 7936}
    for folder, sizes in (("voc_split_U2PL", classic), ("voc_split_CPS", blended)):
        for labeled, unlabeled in sizes.items():
            assert counts[f"{folder}/{labeled}_train_supervised"] == labeled
            assert counts[f"{folder}/{labeled}_train_unsupervised"] == unlabeled
    assert counts["voc_split_CPS/all_train_unsupervised"] == 10582
    unions = {pair.labeled.stem: (pair.union, len(pair.shared)) for pair in check.pairs}
    assert unions.pop("5291_train_supervised") == (5291, 5291)  # one list under two names
    assert set(unions.values()) == {(10582, 0), (2975, 0)}
    assert len(check.notes) == 1
    assert "5291" in check.notes[0]


def test_lists_of_unimatch(published: Path) -> None:
    check = check_splits(find_lists([published / "unimatch_v2"]))
    assert not check.all_problems
    assert not check.notes
    assert {(pair.union, len(pair.shared)) for pair in check.pairs} == {(10582, 0), (2975, 0)}
    assert sorted(one.images for one in check.lists) == [92, 186, 500, 1449, 2789, 10490]


def test_the_two_publishers_name_the_same_images(published: Path, tmp_path: Path) -> None:
    """A labeled list of one and an unlabeled list of the other have no image in common."""
    shutil.copy(published / "s4former/city_splits_CPS/186_train_supervised.txt", tmp_path / "labeled.txt")
    shutil.copy(published / "unimatch_v2/cityscapes/1_16/unlabeled.txt", tmp_path / "unlabeled.txt")
    (pair,) = check_splits(find_lists([tmp_path])).pairs
    assert (pair.union, pair.shared) == (2975, ())


def test_what_is_named_twice(tmp_path: Path) -> None:
    check = write(tmp_path, labeled="a | b | a", unlabeled="c | d")
    assert check.all_problems == [f"{tmp_path / 'labeled.txt'}: 1 images are named more than once: a"]
    assert [(pair.union, pair.shared) for pair in check.pairs] == [(4, ())]


def test_overlaps(tmp_path: Path) -> None:
    check = write(tmp_path / "split", labeled="a | b", unlabeled="b | c")
    assert not check.all_problems
    assert "share 1 images (b)" in check.notes[0]
    (tmp_path / "val.txt").write_text("JPEGImages/b.jpg SegmentationClass/b.png")
    check = check_splits(find_lists([tmp_path]))
    assert len(check.all_problems) == 1
    assert "share 1 images: b" in check.all_problems[0]


def test_equal_names_in_other_folders_are_other_images(tmp_path: Path) -> None:
    for seed, name in enumerate(("train/0", "train/1", "val/0", "val/1")):
        write_image(tmp_path / f"images/{name}.png", seed)
        write_mask(tmp_path / f"masks/{name}.png", 0)
    check = write(tmp_path / "lists", train="train/0.png | train/1.png", val="val/0.png | val/1.png")
    assert not check.all_problems
    lists = [tmp_path / "lists/train.txt", tmp_path / "lists/val.txt"]
    assert not check_splits(lists, tmp_path).all_problems
    shutil.copy(tmp_path / "images/train/1.png", tmp_path / "images/val/0.png")
    (problem,) = check_splits(lists, tmp_path).all_problems
    assert "equal files: images/train/1 = images/val/0" in problem
    (tmp_path / "images/val/0.png").unlink()
    (tmp_path / "images/val/0.png").symlink_to(tmp_path / "images/train/0.png")
    assert "images/train/0 = images/val/0" in check_splits(lists, tmp_path).all_problems[0]


def test_a_bare_name_of_two_images_is_no_leak_but_said(tmp_path: Path) -> None:
    for seed, name in enumerate(("train/0", "val/0")):
        write_image(tmp_path / f"images/{name}.png", seed)
    write(tmp_path / "lists", train="0", val="0")
    lists = [tmp_path / "lists/train.txt", tmp_path / "lists/val.txt"]
    assert "share 1 images: 0" in check_splits(lists).all_problems[0]
    check = check_splits(lists, tmp_path)
    assert not check.all_problems
    assert "both name 0" in check.notes[0]


def test_unreadable_lists_do_not_stop_the_others(tmp_path: Path) -> None:
    check = write(tmp_path, labeled=" | ", unlabeled="a")
    assert [one.images for one in check.lists] == [0, 1]
    assert "is empty" in check.all_problems[0]


def test_voc_files(tmp_path: Path) -> None:
    for id in ("2007_000032", "2007_000033"):
        write_image(tmp_path / f"JPEGImages/{id}.jpg", 0)
    write_mask(tmp_path / "SegmentationClass/2007_000032.png", 0)
    lists = tmp_path / "lists"
    write(
        lists,
        supervised="2007_000032 | 2007_000099",
        labeled="JPEGImages/2007_000032.jpg SegmentationClass/2007_000032.png"
        " | JPEGImages/2007_000033.jpg SegmentationClass/2007_000033.png",
        unlabeled="JPEGImages/2007_000033.jpg SegmentationClass/2007_000033.png",
    )
    problems = {one.path.stem: one.problems for one in check_splits(find_lists([lists]), root=tmp_path).lists}
    assert problems["supervised"] == (f"1 files are not in {tmp_path}: 2007_000099",)
    assert problems["labeled"] == (f"1 files are not in {tmp_path}: SegmentationClass/2007_000033",)
    assert problems["unlabeled"] == ()


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("leftImg8bit/train/jena/jena_0_leftImg8bit.png", "jena/jena_0"),
        ("leftImg8bit/train/jena/jena_0_leftImg8bit.png", "leftImg8bit/train/jena/jena_0_leftImg8bit.png"),
        ("train2017/000009.jpg", "train2017/000009.jpg masks/000009.png"),
        ("images/training/ADE_1.jpg", "images/training/ADE_1.jpg annotations/training/ADE_1.png"),
        ("images/train/a b.png", "a b"),
        ("pictures/x/y.tif", "pictures/x/y.tif"),
    ],
)
def test_published_layouts_are_found(tmp_path: Path, file: str, line: str) -> None:
    root, lists = tmp_path / "data", tmp_path / "lists"
    write_image(root / file, 0)
    write(lists, unlabeled=line, other=f"{line} | no/such")
    check = check_splits(find_lists([lists]), root)
    problems = {one.path.stem: one.problems for one in check.lists}
    assert problems["unlabeled"] == ()
    assert "no/such" in problems["other"][0]


def test_masks_may_lie_deeper_than_a_list_says(tmp_path: Path) -> None:
    write_image(tmp_path / "train2017/000009.jpg", 0)
    write_mask(tmp_path / "masks/train2017/000009.png", 0)
    (tmp_path / "labeled.txt").write_text("train2017/000009.jpg masks/000009.png")
    assert not check_splits([tmp_path / "labeled.txt"], tmp_path).all_problems


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no split list .*none\.txt"):
        find_lists([tmp_path / "none.txt"])
    with pytest.raises(DataError, match=r"no split list \(\*\.txt\)"):
        find_lists([tmp_path])
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(DataError, match="there is no folder"):
        check_splits([tmp_path / "a.txt"], tmp_path / "none")
