"""Splits that the package makes: nested, seeded, covering the classes, written with how they were made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from folders import make_folder, write_image, write_mask
from s4former.config import UserError
from s4former.curation import open_source
from s4former.curation.splits.make import class_presence, make_split, read_amount, split_source
from s4former.data import DataConfig, read_split

presences = st.tuples(st.integers(1, 30), st.integers(1, 8)).flatmap(lambda shape: arrays(bool, shape))


@settings(max_examples=60)
@given(presences, st.integers(0, 5))
def test_it_is_a_permutation_and_the_same_each_time(presence: np.ndarray, seed: int) -> None:
    order = make_split(presence, seed)
    assert sorted(order) == list(range(len(presence)))
    assert make_split(presence, seed) == order


@settings(max_examples=60)
@given(presences, st.integers(0, 5))
def test_as_many_images_as_classes_show_every_class(presence: np.ndarray, seed: int) -> None:
    first = make_split(presence, seed)[: presence.shape[1]]
    assert np.array_equal(presence[first].any(axis=0), presence.any(axis=0))


@settings(max_examples=60)
@given(presences, st.integers(0, 5))
def test_each_image_of_the_cover_brings_as_much_as_any_could(presence: np.ndarray, seed: int) -> None:
    seen = np.zeros(presence.shape[1], dtype=bool)
    for place in make_split(presence, seed):
        new = (presence & ~seen).sum(axis=1)
        if not new.any():
            break
        assert new[place] == new.max()
        seen |= presence[place]


def test_another_seed_draws_other_images() -> None:
    presence = np.ones((40, 2), dtype=bool)
    assert len({tuple(make_split(presence, seed)[:5]) for seed in range(8)}) == 8
    drawn = np.bincount([make_split(presence, seed)[0] for seed in range(400)], minlength=40)
    assert drawn.min() > 0  # every image can be the first


@pytest.mark.parametrize(
    ("amount", "images", "count"),
    [
        ("1/16", 10582, 662),
        ("1/8", 10582, 1323),
        ("1/4", 10582, 2646),
        ("1/16", 2975, 186),
        ("1/2", 2975, 1488),
        ("1/512", 118287, 232),
        ("23", 23, 23),
        ("1", 5, 1),
        ("1.0", 5, 5),
        ("5%", 40, 2),
        ("0.001", 40, 1),
        ("100%", 7, 7),
    ],
)
def test_amounts(amount: str, images: int, count: int) -> None:
    assert read_amount(amount, images) == count


@pytest.mark.parametrize("amount", ["0", "-1", "8", "3/2", "2.5", "a few", "1/0", "", "0/3", "200%"])
def test_amounts_that_make_no_sense(amount: str) -> None:
    with pytest.raises(UserError):
        read_amount(amount, 7)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve images with masks of ground, one of them with red and another with blue; two without masks."""
    make_folder(tmp_path, 0, 2, 1)
    for number in range(12):
        write_image(tmp_path / f"images/train/m{number:02}.png", number)
        labels = np.full((40, 48), {5: 1, 9: 2}.get(number, 0), np.uint8)
        labels[:5] = 255
        (tmp_path / "masks/train").mkdir(exist_ok=True)
        Image.fromarray(labels).save(tmp_path / f"masks/train/m{number:02}.png")
    return tmp_path


def test_presence_is_read_from_masks(root: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    presence = class_presence(open_source(DataConfig(root=str(root))), lambda *event: seen.append(event))
    assert presence.sum(axis=0).tolist() == [10, 1, 1]
    assert np.argwhere(presence[:, 1:]).tolist() == [[5, 0], [9, 1]]
    assert seen[-1] == ("reading masks", 12, 12)


def test_splits_of_a_folder_are_nested_and_train_as_they_are(root: Path) -> None:
    source = open_source(DataConfig(root=str(root)))
    sizes = {}
    for amount in ("1/4", "1/2", "12"):
        split = split_source(source, amount, seed=3)
        assert not split.absent
        split.write(root / "splits" / amount.replace("/", "_"))
        sizes[amount] = set(split.labeled)
        assert set(split.labeled) | set(split.unlabeled) == {*source.labeled, *source.unlabeled}
        assert not set(split.labeled) & set(split.unlabeled)
    assert {"images/train/m05", "images/train/m09"} < sizes["1/4"] < sizes["1/2"] < sizes["12"]
    assert [len(ids) for ids in sizes.values()] == [3, 6, 12]
    config = DataConfig(
        root=str(root),
        labeled_split="splits/1_4/labeled.txt",
        unlabeled_split="splits/1_4/unlabeled.txt",
    )
    assert set(open_source(config).labeled) == sizes["1/4"]
    assert len(open_source(config).unlabeled) == 11


def test_splits_of_a_dataset_file(root: Path) -> None:
    (root / "dataset.yaml").write_text(
        "names: [ground, red, blue]\n"
        "labeled: {images: images/train, masks: masks/train}\n"
        "val: {images: images/val, masks: masks/val}\n"
    )
    (root / "images/train/u00.png").unlink()
    (root / "images/train/u01.png").unlink()
    config = DataConfig(source="dataset", root=str(root))
    split = split_source(open_source(config), "1/4", seed=3)
    split.write(root / "splits/1_4")
    lists = {f"{kind}_split": f"splits/1_4/{kind}.txt" for kind in ("labeled", "unlabeled")}
    source = open_source(config.model_copy(update=lists))
    assert (set(source.labeled), set(source.unlabeled)) == (set(split.labeled), set(split.unlabeled))
    assert len(source.unlabeled) == 9


def test_it_tells_how_it_was_made_and_what_is_missing(root: Path) -> None:
    split = split_source(open_source(DataConfig(root=str(root))), "2", seed=1)
    assert len(split.absent) == 1
    split.write(root / "two")
    record = json.loads((root / "two/split.json").read_text())
    assert (record["seed"], record["asked"], record["labeled"], record["unlabeled"]) == (1, "2", 2, 12)
    assert record["images_with_class"]["ground"][1] == 10
    assert len(record["sha256"]["labeled.txt"]) == 64
    assert [entry.image for entry in read_split(root / "two/labeled.txt")] == list(split.labeled)


def test_another_split_is_never_overwritten(root: Path) -> None:
    source = open_source(DataConfig(root=str(root)))
    split_source(source, "3", seed=0).write(root / "out")
    split_source(source, "3", seed=0).write(root / "out")
    with pytest.raises(UserError, match=r"out holds another split \(labeled.txt.*type --out"):
        split_source(source, "3", seed=1).write(root / "out")


def test_masks_of_no_class_at_all(tmp_path: Path) -> None:
    make_folder(tmp_path, 2, 0, 1)
    for number in range(2):
        Image.fromarray(np.full((40, 48), 255, np.uint8)).save(tmp_path / f"masks/train/a{number:02}.png")
    split = split_source(open_source(DataConfig(root=str(tmp_path))), "1", seed=0)
    assert split.absent == ["ground", "red", "blue"]
    write_mask(tmp_path / "masks/train/a00.png", 0)
    split = split_source(open_source(DataConfig(root=str(tmp_path))), "2", seed=0)
    assert not split.absent
    split.write(tmp_path / "all")
    assert not (tmp_path / "all/unlabeled.txt").exists()  # an empty list would be refused
