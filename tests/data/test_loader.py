"""Training batches: pure functions of the seed and the step."""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from folders import make_folder, write_classes, write_image, write_mask
from s4former.augment import LabeledViews, Views
from s4former.config import DataError, UserError
from s4former.data import DataConfig, TrainBatches, batch_iterator, open_source
from s4former.data.cache import ArrayCache
from s4former.data.geometry import PADDING_COLOR
from s4former.data.order import Order
from s4former.types import IGNORE, Batch

BOTH = Views(strong=("photometric", "photometric"))
PLAIN = {"labeled": "identity", "weak": "identity", "strong": ("identity", "identity")}

BLURRED = Views(
    weak="photometric",
    strong=[{"name": "jitter", "grayscale_probability": 0, "blur_probability": 1}] * 2,
)


def build(
    root: Path, views: LabeledViews = BOTH, seed: int = 0, rank: int = 0, world_size: int = 1, **fields
):
    config = DataConfig(**{"root": str(root), "crop_size": (24, 32), **fields})
    return TrainBatches(config, open_source(config), views, seed, rank, world_size)


def tensors(batch: Batch) -> list[torch.Tensor]:
    found = [batch.labeled.images, batch.labeled.labels, batch.labeled.valid]
    if batch.unlabeled is not None:
        found += [batch.unlabeled.weak, *batch.unlabeled.strong, batch.unlabeled.valid]
    return found


def same(first: Batch, second: Batch) -> bool:
    pairs = zip(tensors(first), tensors(second), strict=True)
    return first.key == second.key and all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def test_what_a_batch_holds(root: Path) -> None:
    batch = build(root, labeled_batch_size=2, unlabeled_batch_size=3).batch(0)
    assert batch.labeled.images.shape == (2, 3, 24, 32)
    assert batch.labeled.images.dtype == torch.float32
    assert 0 <= batch.labeled.images.min() < batch.labeled.images.max() <= 1
    assert batch.labeled.labels.dtype == torch.uint8
    assert set(batch.labeled.labels.unique().tolist()) <= {0, 1, 2, IGNORE}
    assert batch.unlabeled is not None
    assert batch.unlabeled.weak.shape == (3, 3, 24, 32)
    assert len(batch.unlabeled.strong) == 2
    assert batch.unlabeled.valid.dtype == torch.bool


def test_a_batch_depends_on_seed_and_step_alone(root: Path) -> None:
    batches = build(root)
    seventh = batches.batch(7)
    for step in (3, 9, 0):
        batches.batch(step)
    assert same(batches.batch(7), seventh)
    assert same(build(root).batch(7), seventh)
    assert same(build(root, cache_images=0).batch(7), seventh)
    assert not same(batches.batch(8), seventh)
    assert not same(build(root, seed=1).batch(7), seventh)


def test_no_global_generator_is_touched(root: Path) -> None:
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    batches = build(root)
    batches.batch(0)
    list(batch_iterator(batches, 0, 2, num_workers=1))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


@pytest.mark.parametrize(("start", "steps"), [(0, 5), (3, 6)])
def test_workers_give_the_same_batches(root: Path, start: int, steps: int) -> None:
    alone = list(batch_iterator(build(root), start, steps))
    helped = list(batch_iterator(build(root), start, steps, num_workers=2))
    assert [batch.key.step for batch in alone] == list(range(start, steps))
    assert all(same(a, b) for a, b in zip(alone, helped, strict=True))


def test_no_steps_are_left(root: Path) -> None:
    for num_workers in (0, 2):
        assert list(batch_iterator(build(root), 4, 4, num_workers)) == []


def test_shares_make_up_the_global_batch(root: Path) -> None:
    sizes = {"labeled_batch_size": 4, "unlabeled_batch_size": 8}
    whole = build(root, **sizes).batch(3)
    shares = [build(root, rank=rank, world_size=4, **sizes).batch(3) for rank in range(4)]
    for parts, expected in zip(zip(*map(tensors, shares), strict=True), tensors(whole), strict=True):
        assert torch.equal(torch.cat(parts), expected)


def test_a_batch_must_divide_into_its_shares(root: Path) -> None:
    with pytest.raises(UserError, match=r"data\.unlabeled_batch_size=3 .* set it to 4"):
        build(root, labeled_batch_size=2, unlabeled_batch_size=3, world_size=2)
    with pytest.raises(ValueError, match="rank from 0 to 1"):
        build(root, rank=2, world_size=2)


def test_streams_do_not_depend_on_each_other(tmp_path: Path) -> None:
    few, many = build(make_folder(tmp_path / "few", 3, 1)), build(make_folder(tmp_path / "many", 3, 7))
    more = build(make_folder(tmp_path / "more", 5, 7))
    for step in (0, 5):
        assert torch.equal(few.batch(step).labeled.images, many.batch(step).labeled.images)
        assert torch.equal(more.batch(step).unlabeled.weak, many.batch(step).unlabeled.weak)
        assert not torch.equal(more.batch(step).labeled.images, many.batch(step).labeled.images)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_every_epoch_visits_each_image_once(count: int) -> None:
    order = Order(3, "labeled", count)
    epochs = [[order[epoch * count + place] for place in range(count)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
    assert order[1 * count] == epochs[1][0]
    if count == 40:
        assert len({tuple(epoch) for epoch in epochs}) == 4
        assert epochs[0] != [Order(4, "labeled", count)[place] for place in range(count)]
        assert epochs[0] != [Order(3, "unlabeled", count)[place] for place in range(count)]


@pytest.mark.parametrize("labeled", [1, 2, 3])
@pytest.mark.parametrize("unlabeled", [1, 5])
def test_batches_larger_than_the_set(tmp_path: Path, labeled: int, unlabeled: int) -> None:
    """Unchanged pictures show which image a sample is of: each must come equally often, give or take one."""
    root = make_folder(tmp_path, labeled, unlabeled, size=(24, 32))
    plain = {"resize_range": (1, 1), "flip_probability": 0, "views": Views(**PLAIN)}
    batch = build(root, labeled_batch_size=7, unlabeled_batch_size=13, **plain).batch(2)
    assert batch.unlabeled is not None
    for images, count in ((batch.labeled.images, labeled), (batch.unlabeled.weak, unlabeled)):
        times = Counter(image.numpy().tobytes() for image in images)
        assert len(times) == count
        assert max(times.values()) - min(times.values()) <= 2  # the batch may start and end within an epoch


def test_without_unlabeled_images_there_is_no_unlabeled_batch(tmp_path: Path) -> None:
    root = make_folder(tmp_path, 2, 0)
    assert build(root).batch(0).unlabeled is None
    write_image(root / "images/train/u00.png", 0)
    assert build(root, views=LabeledViews()).batch(0).unlabeled is None
    assert build(root).batch(0).unlabeled is not None


def test_unlabeled_images_of_steps_without_them_are_not_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build(root)
    batches = TrainBatches(whole.config, whole.source, BOTH, 0, reads_unlabeled=lambda step: step >= 2)
    read = []
    source = type(whole.source)
    reads = source.read_image
    monkeypatch.setattr(source, "read_image", lambda *args: read.append(args[2]) or reads(*args))
    for step in (0, 1):
        alone = batches.batch(step)
        assert alone.unlabeled is None
        assert torch.equal(alone.labeled.images, whole.batch(step).labeled.images)
        assert batches.images(step) == len(batches.files(step)) == whole.config.labeled_batch_size
    assert "unlabeled" in read  # of the batches beside
    read.clear()
    batches.batch(1)
    assert "unlabeled" not in read
    assert same(batches.batch(2), whole.batch(2))
    assert batches.files(2) == whole.files(2)
    assert batches.images(2) == len(batches.files(2))


def test_views_share_their_geometry(root: Path) -> None:
    plain = build(root, Views(**PLAIN)).batch(1).unlabeled
    assert all(torch.equal(strong, plain.weak) for strong in plain.strong)
    views = build(root).batch(1).unlabeled
    assert torch.equal(views.weak, plain.weak)
    assert not torch.equal(views.strong[0], views.weak)
    assert not torch.equal(views.strong[0], views.strong[1])
    assert torch.equal(views.valid, plain.valid)


def test_each_policy_acts_on_its_view(root: Path) -> None:
    base = build(root).batch(1)
    weak = build(root, Views(weak="photometric")).batch(1).unlabeled.weak
    assert not torch.equal(weak, base.unlabeled.weak)
    labeled = build(root, Views(labeled="identity")).batch(1).labeled.images
    assert not torch.equal(labeled, base.labeled.images)
    still = {"name": "jitter", "probability": 0, "blur_probability": 0, "grayscale_probability": 0}
    gray = build(root, Views(strong=(still | {"grayscale_probability": 1},))).batch(1).unlabeled
    inside = gray.valid
    assert torch.allclose(gray.strong[0][:, 0][inside], gray.strong[0][:, 2][inside], atol=1e-6)
    blur = still | {"blur_probability": 1, "blur_range": (3, 3)}
    blurred = build(root, Views(strong=(blur,)), resize_range=(2, 2)).batch(1).unlabeled
    sharp = build(root, Views(strong=(still,)), resize_range=(2, 2)).batch(1).unlabeled
    assert blurred.strong[0].diff(dim=-1).abs().mean() < 0.5 * sharp.strong[0].diff(dim=-1).abs().mean()


def test_images_smaller_than_the_crop(tmp_path: Path) -> None:
    root = make_folder(tmp_path, size=(10, 15))
    batch = build(root, BLURRED, resize_range=(1, 1)).batch(0)
    color = torch.tensor(PADDING_COLOR) / 255
    for images, valid in (
        (batch.labeled.images, batch.labeled.valid),
        *((view, batch.unlabeled.valid) for view in (batch.unlabeled.weak, *batch.unlabeled.strong)),
    ):
        assert valid[:, :10, :15].all()
        assert valid.sum() == len(valid) * 150
        assert torch.allclose(images.movedim(1, -1)[~valid], color)
    assert (batch.labeled.labels[~batch.labeled.valid] == IGNORE).all()


def test_padding_of_other_channels_keeps_its_color_in_every_view(tmp_path: Path) -> None:
    root = make_folder(tmp_path, size=(10, 15))
    for path in [*(root / "images").rglob("*.png")]:
        pixels = np.asarray(Image.open(path))
        np.save(path.with_suffix(".npy"), np.concatenate([pixels, pixels[..., :1]], axis=2))
        path.unlink()
    batch = build(root, BLURRED, channels=4, resize_range=(1, 1)).batch(0)
    views = (batch.unlabeled.weak, *batch.unlabeled.strong)
    assert len(views) == 3
    for image, valid, *others in zip(views[0], batch.unlabeled.valid, *views[1:], strict=True):
        color = image[:, -1, -1]
        assert image.shape[0] == 4
        assert (image[:, ~valid] == color[:, None]).all()
        assert all(torch.equal(other[:, ~valid], image[:, ~valid]) for other in others)
        assert not any(torch.equal(other, image) for other in others)


def test_all_ignored_masks(root: Path) -> None:
    for path in (root / "masks/train").iterdir():
        Image.fromarray(np.full((40, 48), 255, np.uint8)).save(path)
    assert (build(root).batch(0).labeled.labels == IGNORE).all()


def test_a_corrupt_mask_beside_an_unlabeled_image_goes_unnoticed(root: Path) -> None:
    (root / "labeled.txt").write_text("a00\na01")
    before = build(root, labeled_split="labeled.txt").batch(0)
    (root / "masks/train/a02.png").write_bytes(b"not a mask")
    (root / "masks/train/u00.png").write_bytes(b"")
    batches = build(root, labeled_split="labeled.txt")
    assert same(batches.batch(0), before)
    assert not batches.bad_unlabeled


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("broken", ["images/train/a01.png", "masks/train/a01.png"])
def test_a_corrupt_labeled_file_is_named(root: Path, num_workers: int, broken: str) -> None:
    (root / broken).write_bytes((root / broken).read_bytes()[:90])
    with pytest.raises(DataError, match=broken) as error:
        list(batch_iterator(build(root), 0, 3, num_workers))
    assert "Traceback" not in str(error.value)


def test_a_labeled_mask_of_another_size_is_named(root: Path) -> None:
    write_mask(root / "masks/train/a01.png", 0, (48, 40))
    with pytest.raises(DataError, match="labeled image images/train/a01 has 40 x 48"):
        build(root).batch(0)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_corrupt_unlabeled_image_is_replaced_and_told_once(
    root: Path, num_workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    intact = list(batch_iterator(build(root), 0, 4))
    (root / "images/train/u02.png").write_bytes(b"no picture")
    batches = build(root)
    with caplog.at_level(logging.WARNING):
        found = list(batch_iterator(batches, 0, 4, num_workers))
    assert list(batches.bad_unlabeled) == ["images/train/u02"]
    assert len(caplog.records) == 1
    assert "u02.png" in caplog.text
    assert all(same(a, build(root).batch(step)) for step, a in enumerate(found))
    changed = sum(
        not torch.equal(a, b)
        for before, after in zip(intact, found, strict=True)
        for a, b in zip(before.unlabeled.weak, after.unlabeled.weak, strict=True)
    )
    assert 1 <= changed <= 4  # 16 samples show each of 5 images 3 or 4 times; the other samples are as before


def test_nothing_but_corrupt_unlabeled_images_is_an_error(root: Path) -> None:
    for path in (root / "images/train").glob("u*"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"none of 11 unlabeled images drawn can be read: .*u0\d\.png"):
        build(root).batch(0)


def test_labels_that_ignore_names_reach_the_batch(root: Path) -> None:
    write_classes(root, ignore_index=[255, 17])
    for path in (root / "masks/train").iterdir():
        Image.fromarray(np.full((40, 48), 17, np.uint8)).save(path)
    assert (build(root).batch(0).labeled.labels == IGNORE).all()


def test_a_batch_can_move(root: Path) -> None:
    batch = build(root).batch(0)
    assert same(batch.to(torch.device("cpu")), batch)


def test_a_batch_for_a_gpu_is_pinned_whole(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    batch, (crops, _) = build(root).batch(0), build(root).crops(0)
    assert same(batch.pin_memory(), batch)
    assert len(pinned) == len(tensors(batch))
    pinned.clear()
    held = crops.pin_memory()
    assert same(held.make_views(), batch)
    parts = [
        held.labels,
        held.labeled.pixels,
        held.labeled.valid,
        held.unlabeled.pixels,
        held.unlabeled.valid,
    ]
    assert {id(tensor) for tensor in parts} == {id(tensor) for tensor in pinned}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_views_made_on_the_device_are_those_of_the_workers(root: Path, num_workers: int) -> None:
    def batches(on_device: bool) -> list[Batch]:
        made = build(root, BLURRED, views_on_device=on_device, resize_range=(0.4, 1))
        return list(batch_iterator(made, 0, 3, num_workers, torch.device("cpu")))

    assert all(same(a, b) for a, b in zip(batches(True), batches(False), strict=True))


def test_crops_take_a_byte_a_channel_however_many_views_there_are(root: Path) -> None:
    crops, _ = build(root, BLURRED).crops(0)
    assert crops.unlabeled.pixels.dtype == torch.uint8
    assert len(crops.unlabeled.views) == 3
    drawn = pickle.dumps([view.drawn for view in crops.unlabeled.views])
    assert len(drawn) < 4 * 3 * 100  # a few numbers for each of four images and three views


def test_a_gpu_makes_views_and_a_cpu_gets_them() -> None:
    def choices(**fields: bool) -> list[bool]:
        return [DataConfig(**fields).makes_views_on(device) for device in ("cpu", "cuda")]

    assert choices() == [False, True]
    assert choices(views_on_device=True) == [True, True]
    assert choices(views_on_device=False) == [False, False]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_views_of_a_gpu_are_those_of_a_cpu_and_nobody_waits_for_them(root: Path) -> None:
    gpu = torch.device("cuda")
    for views in (BOTH, BLURRED):
        crops, _ = build(root, views, resize_range=(0.4, 1)).crops(0)
        moved = crops.pin_memory().to(gpu)
        moved.make_views()  # the first call compiles and allocates
        torch.cuda.set_sync_debug_mode("error")
        try:
            found = moved.make_views()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        for a, b in zip(tensors(found), tensors(crops.make_views()), strict=True):
            torch.testing.assert_close(a.cpu(), b, rtol=0, atol=1e-5)


def test_the_cache_keeps_what_fits() -> None:
    cache, reads = ArrayCache(2.5), Counter()

    def read(key: str):
        def fresh() -> np.ndarray:
            reads[key] += 1
            return np.zeros(2**20, np.uint8)

        return fresh

    for key in "abcabc":
        cache.get(key, read(key))
    assert reads == {"a": 1, "b": 1, "c": 2}
