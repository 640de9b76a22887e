"""Finding pictures that look the same among many."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from s4former.curation import ImageFacts
from s4former.curation.check.duplicate_rules import difference_hash, near_groups
from s4former.curation.check.facts import THUMBNAIL


def scene(seed: int, size: tuple[int, int] = (120, 160)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)


def thumbnails(pictures: list[Image.Image], tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number}.png")
        found.append(ImageFacts.of(folder / f"{number}.png", 3, None).picture())
    return np.stack(found)


def saved_again(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=40)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def test_copies_are_found_and_strangers_are_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    strangers = [scene(seed) for seed in range(12)]
    first = strangers[0]
    copies = [
        saved_again(first),
        first.resize((80, 60)),
        first.resize((400, 300)),
        first.crop((1, 1, 159, 119)),
        first.convert("L").convert("RGB"),
    ]
    groups = near_groups(thumbnails([*strangers, *copies], tmp_path_factory))
    assert groups == [[0, 12, 13, 14, 15, 16]]


def test_pictures_of_low_contrast_are_strangers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fog differs by a few gray levels only, as much as two fogs do."""
    fogs = [
        Image.fromarray((128 + (np.array(scene(seed)) - 128.0) * 0.04).astype(np.uint8)) for seed in range(8)
    ]
    plain = Image.new("RGB", (160, 120), (90, 90, 90))
    pictures = thumbnails([*fogs, plain, plain], tmp_path_factory)
    assert near_groups(pictures) == []


def test_hash_says_where_it_gets_brighter() -> None:
    picture = np.full(THUMBNAIL, 10, np.uint8)
    assert int(difference_hash(picture[None])[0]) == 0
    picture[:, 8:] = 200
    (code,) = difference_hash(picture[None])
    assert int(code).bit_count() == 8  # one border in each of eight rows


def test_groups_equal_those_of_comparing_all_pairs() -> None:
    generator = np.random.default_rng(3)
    base = generator.integers(0, 256, (60, *THUMBNAIL), dtype=np.uint8)
    pictures = np.concatenate([base, base[:20]])
    noise = generator.integers(-2, 3, pictures.shape)
    pictures = np.clip(pictures.astype(int) + noise, 0, 255).astype(np.uint8)
    expected = [[place, place + 60] for place in range(20)]
    assert sorted(near_groups(pictures)) == expected


def test_many_pictures_are_compared_in_a_moment() -> None:
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (20_000, *THUMBNAIL), dtype=np.uint8)
    pictures[10_000:10_050] = pictures[:50]
    start = time.perf_counter()
    groups = near_groups(pictures)
    assert groups == [[place, place + 10_000] for place in range(50)]
    assert time.perf_counter() - start < 20


def test_a_crowd_of_equal_pictures_is_one_group() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, *THUMBNAIL), dtype=np.uint8)
    (group,) = near_groups(np.repeat(picture, 1000, axis=0))
    assert group == list(range(1000))
