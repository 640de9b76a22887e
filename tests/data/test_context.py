"""What lies around a crop: the teacher labels there, and its labels land on the crop's pixels."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from folders import make_folder
from s4former.augment import Views
from s4former.data import DataConfig, TrainBatches, batch_iterator, open_source
from s4former.data.geometry import sample_geometry
from s4former.methods.parts import labels_by
from s4former.ops.resize import resample
from s4former.types import UnlabeledBatch

sizes = st.tuples(st.integers(20, 90), st.integers(20, 90))


def ramps(height: int, width: int) -> np.ndarray:
    """A picture whose colors say where a pixel is: a byte for rows, one for columns."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([2 * rows + 20, 2 * columns + 20, 0 * rows], axis=-1).astype(np.uint8)


@settings(max_examples=150)
@given(sizes, st.integers(10, 40), st.integers(1, 80), st.integers(0, 10**6), st.booleans())
def test_what_is_said_of_the_window_lands_on_the_crop(size, crop, side, seed, flip) -> None:
    config = DataConfig(crop_size=crop, resize_range=(0.5, 2.0), flip_probability=float(flip))
    image = ramps(*size)
    geometry = sample_geometry(config, size, np.random.default_rng(seed))
    window, place = geometry.around(size, (side, side))
    around = torch.from_numpy(window.apply_to_image(image)).permute(2, 0, 1)[None].float()
    for axis in (0, 1):
        shown = ceil(Fraction(geometry.visible[axis] * size[axis], geometry.resized[axis]))
        assert around.shape[2 + axis] in (size[axis], side, shown), "as asked, or as needed"
    landed = resample(around, torch.tensor(place), (crop, crop))[0].permute(1, 2, 0).numpy()
    rows, columns = geometry.visible
    differs = np.abs(landed - geometry.apply_to_image(image))[2 : rows - 2, 2 : columns - 2]
    assert differs.size == 0 or differs.max() <= 2.6, "more than rounding, at borders of the image"


class Echo(nn.Module):
    """A network whose logits are its images, and that remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(images.shape))
        return 9 * images


def batches(root: Path, context: float, **fields) -> TrainBatches:
    config = DataConfig(root=str(root), crop_size=16, unlabeled_batch_size=4, labeled_batch_size=2, **fields)
    return TrainBatches(config, open_source(config), Views(context=context), seed=3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folder(tmp_path, size=(24, 40))


def unlabeled(batches: TrainBatches) -> UnlabeledBatch:
    found = batches.batch(1).unlabeled
    assert found is not None
    return found


def test_a_network_sees_windows_and_labels_crops(root: Path) -> None:
    echo, batch = Echo(), unlabeled(batches(root, 1.9, resize_range=(1, 1)))
    pseudo = labels_by(echo, batch)
    assert echo.seen == [(1, 3, 24, 30)] * 4, "as much as there is, no padding"
    assert pseudo.logits.shape == (4, 3, 16, 16)
    torch.testing.assert_close(pseudo.logits, 9 * batch.weak, atol=1e-4, rtol=0)


def test_crops_are_the_same_with_and_without_context(root: Path) -> None:
    alone, within = (unlabeled(batches(root, context)) for context in (0, 1.9))
    assert alone.context is None
    assert torch.equal(alone.weak, within.weak)
    assert torch.equal(alone.strong[0], within.strong[0])


def test_it_travels_from_workers_and_to_a_device_but_not_into_parts(root: Path) -> None:
    here = batches(root, 1.9)
    there = next(batch_iterator(here, 1, 2, num_workers=1)).to(torch.device("cpu"))
    assert there.unlabeled is not None
    first, second = unlabeled(here).context, there.unlabeled.context
    assert first is not None
    assert second is not None
    assert torch.equal(first.places, second.places)
    assert all(torch.equal(a, b) for a, b in zip(first.images, second.images, strict=True))
    part = there.part(1, 2).unlabeled
    assert part is not None
    assert part.context is None


def test_views_made_on_a_device_have_it_too(root: Path) -> None:
    crops, _ = batches(root, 1.9).crops(1)
    made = crops.to(torch.device("cpu")).make_views().unlabeled
    assert made is not None
    assert made.context is not None
    expected = unlabeled(batches(root, 1.9)).context
    assert expected is not None
    assert all(torch.equal(a, b) for a, b in zip(made.context.images, expected.images, strict=True))
