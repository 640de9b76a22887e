"""The maker of scenes, and its worlds as data sets."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from s4former.config import DataError
from s4former.data import DataConfig, Source, open_source
from s4former.data.sources.aerial import CLASS_COLORS, CLASS_NAMES, render_scene


def world(number: str = "0", **fields: object) -> Source:
    return open_source(DataConfig.model_validate({"source": "scenes", "root": number, **fields}))


def test_a_scene_is_a_pure_function_of_seed_and_index() -> None:
    image, mask = render_scene(3, 7)
    render_scene(3, 8)
    again_image, again_mask = render_scene(3, 7)
    np.testing.assert_array_equal(image, again_image)
    np.testing.assert_array_equal(mask, again_mask)


def test_seeds_and_indices_give_other_scenes() -> None:
    scenes = [render_scene(seed, index)[0] for seed in (0, 1) for index in (0, 1)]
    for i, first in enumerate(scenes):
        for second in scenes[i + 1 :]:
            assert np.abs(first.astype(int) - second.astype(int)).mean() > 10


@pytest.mark.parametrize("size", [32, 96, 130])
def test_shapes_and_types_at_any_size(size: int) -> None:
    image, mask = render_scene(0, 0, size)
    assert image.shape == (size, size, 3)
    assert mask.shape == (size, size)
    assert image.dtype == mask.dtype == np.uint8
    assert mask.max() < len(CLASS_NAMES) == len(CLASS_COLORS)


def test_every_class_occurs_often_enough_to_be_learned_and_none_fills_everything() -> None:
    masks = np.stack([render_scene(1, index)[1] for index in range(60)])
    shares = np.bincount(masks.ravel(), minlength=len(CLASS_NAMES)) / masks.size
    assert shares.min() > 0.015
    assert shares.max() < 0.5
    with_class = [(masks == k).any(axis=(1, 2)).mean() for k in range(len(CLASS_NAMES))]
    assert min(with_class) > 0.25


def test_the_mask_follows_what_is_seen() -> None:
    """Across the border of two classes the picture changes more than inside of one."""
    across, inside = [], []
    for index in range(30):
        image, mask = render_scene(2, index)
        change = np.abs(np.diff(image.astype(float), axis=1)).mean(axis=2)
        border = mask[:, 1:] != mask[:, :-1]
        across.append(change[border].mean())
        inside.append(change[~border].mean())
    assert np.mean(across) > 1.8 * np.mean(inside)


def test_no_single_look_stands_for_a_class() -> None:
    """The mean colors of a class in different scenes lie far apart, so a few scenes do not show its range."""
    for k in range(len(CLASS_NAMES)):
        means = []
        for index in range(60):
            image, mask = render_scene(4, index)
            if (mask == k).sum() > 50:
                means.append(image[mask == k].mean(axis=0))
        assert np.std(means, axis=0).mean() > 15, CLASS_NAMES[k]


def test_parts_of_a_world_share_no_scene() -> None:
    source = world()
    splits = [source.labeled, source.unlabeled, source.val, source.test]
    assert all(splits)
    together = [id for split in splits for id in split]
    assert len(together) == len(set(together))


def test_the_source_reads_the_scenes_of_its_world() -> None:
    source = world("5")
    id = source.val[3]
    image, mask = render_scene(5, int(id.removeprefix("scene-")))
    np.testing.assert_array_equal(source.read_image(id, "val"), image)
    np.testing.assert_array_equal(source.read_mask(id, "val"), mask)
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.read_image(id, "val"), image)


def test_masks_of_unlabeled_scenes_stay_closed() -> None:
    source = world()
    with pytest.raises(ValueError, match="not to be looked at"):
        source.read_mask(source.unlabeled[0], "unlabeled")


def test_split_lists_choose_other_scenes(tmp_path: Path) -> None:
    split = tmp_path / "labeled.txt"
    split.write_text("scene-00011\nscene-00500\n")
    source = world(labeled_split=str(split))
    assert source.labeled == ("scene-00011", "scene-00500")
    assert not set(source.labeled) & set(source.unlabeled)
    assert source.fingerprint() != world().fingerprint()


def test_the_fingerprint_names_the_world() -> None:
    assert world("0").fingerprint() == world("0").fingerprint() != world("1").fingerprint()


def test_mistakes_are_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root=0"):
        world("pictures")
    split = tmp_path / "labeled.txt"
    split.write_text("photo-7\n")
    with pytest.raises(DataError, match="photo-7"):
        world(labeled_split=str(split))
