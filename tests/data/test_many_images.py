"""100,000 unlabeled images: a quick start and a memory that does not grow."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from folders import make_folder
from s4former.augment import Views
from s4former.data import DataConfig, TrainBatches, open_source
from s4former.data import order as order_module
from s4former.data.cache import ArrayCache

MANY = 100_000


def test_the_order_of_an_epoch_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    generator = order_module.keyed_generator
    monkeypatch.setattr(order_module, "keyed_generator", lambda *key: drawn.append(key) or generator(*key))
    order = order_module.Order(0, "unlabeled", MANY)
    assert len({order[position] for position in range(400)}) == 400
    assert len(drawn) == 1
    assert order[MANY] < MANY
    assert len(drawn) == 2


def test_an_image_larger_than_the_cache_is_handed_out_and_not_kept() -> None:
    cache, reads = ArrayCache(1), []

    def read(size: int) -> np.ndarray:
        reads.append(size)
        return np.zeros(size, np.uint8)

    for _ in range(2):
        assert cache.get("small", lambda: read(1000)).size == 1000
        assert cache.get("huge", lambda: read(2**20 + 1)).size == 2**20 + 1
    assert reads == [1000, 2**20 + 1, 2**20 + 1]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of as many images, four of them in the file system."""
    root = tmp_path_factory.mktemp("many")
    make_folder(root, unlabeled=4)
    images = root / "images/train"
    for number in range(MANY - 4):  # a file has room for 65,000 names
        os.link(images / f"u{number % 4:02}.png", images / f"w{number:06}.png")
    (root / "dataset.yaml").write_text(
        "names: [ground, red, blue]\nlabeled: {images: images/train, masks: masks/train}\n"
        "unlabeled: {images: images/train}\nval: {images: images/val, masks: masks/val}\n"
    )
    return root


@pytest.mark.slow
def test_100_000_unlabeled_images(many: Path) -> None:
    config = DataConfig(source="dataset", root=str(many), crop_size=32, cache_images=0)
    start = time.process_time()  # not what other processes make it wait
    found = open_source(config)
    found.fingerprint()
    batches = TrainBatches(config, found, Views(strong=("photometric", "photometric")), 0)
    batches.batch(0)
    assert time.process_time() - start < 10
    assert len(found.unlabeled) == MANY
    tracemalloc.start()
    for step in range(1, 10):
        batches.batch(step)
    before = tracemalloc.get_traced_memory()[0]
    for step in range(10, 60):
        batches.batch(step)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2**20
