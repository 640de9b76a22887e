"""One draw of geometry, applied to an image and to its mask."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from s4former.data import DataConfig, resize_pixels
from s4former.data.geometry import PADDING_COLOR, Geometry, sample_geometry
from s4former.types import IGNORE


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def draw(
    config: DataConfig, size: tuple[int, int], seed: int = 0, mask: np.ndarray | None = None
) -> Geometry:
    return sample_geometry(config, size, np.random.default_rng(seed), mask)


sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@settings(max_examples=150)
@given(sizes, st.tuples(st.integers(1, 60), st.integers(1, 60)), st.integers(0, 10**6), st.booleans())
def test_a_crop_is_the_crop_of_the_whole_resized_picture(size, crop, seed, flip) -> None:
    """Against the slow way, for shrinking and growing, at borders and within."""
    config = DataConfig(crop_size=crop, resize_range=(0.2, 3.0), flip_probability=float(flip))
    geometry = draw(config, size, seed)
    image, mask = picture(*size), np.arange(size[0] * size[1], dtype=np.int64).reshape(size)
    height, width = geometry.resized
    whole = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)).astype(int)
    y = [int(Fraction(2 * row + 1, 2) * size[0] / height) for row in range(height)]
    x = [int(Fraction(2 * col + 1, 2) * size[1] / width) for col in range(width)]
    rows, cols = geometry.visible
    window = (
        slice(geometry.top, geometry.top + rows),
        slice(geometry.left, geometry.left + cols),
    )
    order = slice(None, None, -1 if flip else 1)
    got_image, got_mask, valid = (
        geometry.apply_to_image(image),
        geometry.apply_to_mask(mask),
        geometry.valid(),
    )
    assert np.abs(got_image[:rows, :cols] - whole[window][:, order]).max() <= 2  # both of PIL's passes round
    assert np.array_equal(got_mask[:rows, :cols], mask[y][:, x][window][:, order])
    assert valid.sum() == rows * cols
    assert valid[:rows, :cols].all()
    assert (got_image[~valid] == PADDING_COLOR).all()
    assert (got_mask[~valid] == IGNORE).all()


def test_a_crop_within_reads_the_same_pixels_whatever_surrounds_it() -> None:
    """Only the crop and the reach of the filter are looked at, yet nothing differs from the whole."""
    image = picture(64, 64)
    geometry = Geometry((32, 32), 8, 8, (16, 16), False)
    whole = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BILINEAR))
    assert np.array_equal(geometry.apply_to_image(image), whole[8:24, 8:24])


def test_labels_stay_on_their_pixels() -> None:
    """The mask follows the image through resizing, cropping and flipping: a half plane keeps its border."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, 37:] = 255
    config = DataConfig(crop_size=(32, 40))
    shifts = []
    for seed in range(50):
        geometry = draw(config, (60, 80), seed)
        bright = geometry.apply_to_image(image)[..., 0].astype(float) / 255
        labels = geometry.apply_to_mask(image[..., 0] // 255)
        valid = geometry.valid()
        assert ((bright > 0.5) != (labels == 1))[valid].mean() < 0.03
        shifts.append((bright - labels)[valid].mean())
    assert abs(np.mean(shifts)) < 0.002


def test_small_images_are_padded() -> None:
    geometry = draw(DataConfig(crop_size=(50, 30), resize_range=(1, 1), flip_probability=1), (20, 40))
    image = picture(20, 40)
    crop, left = geometry.apply_to_image(image), geometry.left
    assert np.array_equal(crop[:20], image[:, left : left + 30][:, ::-1])
    assert (crop[20:] == PADDING_COLOR).all()
    assert geometry.valid().sum() == 20 * 30


def test_short_side() -> None:
    config = DataConfig(crop_size=10, short_side=30, resize_range=(1, 1))
    assert draw(config, (60, 90)).resized == (30, 45)
    assert draw(config, (10, 5)).resized == (60, 30)


def test_ranges_are_reached_evenly() -> None:
    config = DataConfig(crop_size=32, resize_range=(0.5, 2.0))
    geometries = [draw(config, (100, 100), seed) for seed in range(600)]
    heights = np.array([geometry.resized[0] for geometry in geometries])
    assert 50 <= heights.min() < 53
    assert 197 < heights.max() <= 200
    assert abs(heights.mean() - 125) < 6
    assert 0.4 < np.mean([geometry.flip for geometry in geometries]) < 0.6
    assert {geometry.top for geometry in geometries if geometry.resized[0] == 51} <= set(range(20))


def test_crops_that_one_class_dominates_are_drawn_again() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[:, 60:80] = 1
    mask[:50] = IGNORE

    def shares(limit: float) -> list[float]:
        config = DataConfig(crop_size=40, resize_range=(1, 1), crop_max_class_share=limit)
        found = []
        for seed in range(100):
            labels = draw(config, (100, 100), seed, mask).apply_to_mask(mask)
            labels = labels[labels != IGNORE]
            found.append(max(np.bincount(labels)) / len(labels) if len(labels) else 0.0)
        return found

    assert np.mean(np.array(shares(0.75)) > 0.75) < 0.1 < np.mean(np.array(shares(1)) > 0.75)


def test_a_mask_that_is_all_ignored_is_no_obstacle() -> None:
    mask = np.full((50, 50), IGNORE, np.uint8)
    config = DataConfig(crop_size=20, resize_range=(1, 1))
    for seed in range(5):
        assert draw(config, (50, 50), seed, mask) == draw(config, (50, 50), seed)


def test_a_class_may_cover_just_its_largest_share() -> None:
    mask = np.zeros((50, 50), np.uint8)
    mask[:, ::4] = 1  # three quarters of every crop of 20 columns are class 0
    config = DataConfig(crop_size=20, resize_range=(1, 1), crop_max_class_share=0.75)
    for seed in range(5):
        assert draw(config, (50, 50), seed, mask) == draw(config, (50, 50), seed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop_size": 0},
        {"crop_size": (32, -1)},
        {"resize_range": (2.0, 0.5)},
        {"resize_range": (0.0, 1.0)},
        {"flip_probability": 1.5},
        {"labeled_batch_size": 0},
        {"num_workers": -1},
        {"crop": 32},
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DataConfig(**wrong)


def test_crop_size_is_a_side_or_height_and_width() -> None:
    assert DataConfig(crop_size=32).crop == (32, 32)
    assert DataConfig.model_validate({"crop_size": [32, 48]}).crop == (32, 48)


@settings(max_examples=40)
@given(sizes, sizes, st.booleans())
def test_channels_are_resized_as_those_of_rgb(size, target, with_box) -> None:
    image, box = picture(*size), (size[1] / 3, 0.0, float(size[1]), size[0] / 2) if with_box else None
    rgb = resize_pixels(image, target, box)
    five = resize_pixels(np.concatenate([image, image[..., :2]], axis=2), target, box)
    assert np.array_equal(five, np.concatenate([rgb, rgb[..., :2]], axis=2))
    assert np.array_equal(resize_pixels(image[..., 1:2], target, box), rgb[..., 1:2])


def test_other_channels_are_padded_with_the_mean_of_what_is_seen() -> None:
    geometry = draw(DataConfig(crop_size=50, resize_range=(1, 1), channels=5), (20, 40))
    image = np.concatenate([picture(20, 40), picture(20, 40)[..., :2] // 4], axis=2)
    crop = geometry.apply_to_image(image)
    assert np.array_equal(crop[20, 45], np.rint(image.mean((0, 1))))
    assert (crop[~geometry.valid()] == crop[20, 45]).all()
    assert np.array_equal(crop[:20, :40], image[:, ::-1] if geometry.flip else image)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"channels": 0}, "channels"),
        ({"channels": 1, "display_channels": None}, "display_channels"),
        ({"value_range": (10, 10)}, r"becomes 0 and a larger one, got 10\.0, 10\.0"),
        ({"value_range": (0, float("nan"))}, "value_range"),
        (
            {"channels": 4, "display_channels": (0, 1, 4)},
            r"display_channels=\[0, 1, 4\] must be below channels=4",
        ),
        ({"channels": 4, "source": "scenes", "root": "0"}, "made-up scenes are RGB"),
    ],
)
def test_channels_that_cannot_be_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataConfig(**given)


def test_images_of_few_channels_are_shown_all_the_same() -> None:
    assert DataConfig(channels=1).display_channels == (0, 0, 0)
    assert DataConfig(channels=2).display_channels == (0, 1, 1)
    assert DataConfig(channels=6, display_channels=(5, 3, 1)).display_channels == (5, 3, 1)
    assert DataConfig.model_validate(DataConfig(channels=1).model_dump(mode="json")).channels == 1
