"""Logits in row chunks: the numbers of all rows at once, from a memory that does not grow with an image."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from s4former.config import UserError
from s4former.engine import validate
from s4former.inference import EvaluateConfig, Model, logit_row_chunks, logits, row_chunks
from s4former.inference.row_chunks import resized_row_chunks, slide_row_chunks, window_starts, with_rows
from s4former.models import ModelConfig, ViTConfig, build_segmenter
from s4former.types import Segmenter
from tiny_run import make_data, tiny_run
from trials import server

CLASSES = 3


@pytest.fixture(scope="module")
def network() -> Segmenter:
    """A network whose answer for a pixel depends on the whole window."""
    custom = ViTConfig(image_size=(32, 32), patch_size=8, embed_dim=16, depth=1, num_heads=2)
    return build_segmenter(ModelConfig(backbone=custom, head="linear"), CLASSES, 0).eval()


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


def image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pixel_by_pixel(images: Tensor) -> Tensor:
    """Say something of each pixel that depends on its place in the window."""
    places = torch.arange(images[0, 0].numel(), dtype=torch.float32).view(images.shape[-2:])
    return images * (places.sin() + 2)


def windows_at_once(
    network: Callable[[Tensor], Tensor], pixels: np.ndarray, crop: int, stride: int
) -> Tensor:
    """The plain definition: all windows into one sum of the image's size."""
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    total, times = torch.zeros(1, CLASSES, *x.shape[-2:]), torch.zeros(1, 1, *x.shape[-2:])
    for top, left in itertools.product(*(window_starts(side, crop, stride) for side in x.shape[-2:])):
        window = (..., slice(top, top + crop), slice(left, left + crop))
        total[window] += network(x[window])
        times[window] += 1
    return total / times


@pytest.mark.parametrize("size", [(40, 48), (97, 33), (33, 200), (20, 20), (1, 90), (64, 5)])
@pytest.mark.parametrize("stride", [32, 21, 8])
def test_windows_row_by_row_equal_all_windows_at_once(
    network: Segmenter, size: tuple[int, int], stride: int
) -> None:
    pixels = image(*size)
    # Products of several windows may be rounded otherwise than those of one; work pixel by pixel is not.
    for predict, tolerance in ((network, 1e-6), (pixel_by_pixel, 0)):
        rows = list(slide_row_chunks(predict, CLASSES, pixels[None], (32, 32), (stride, stride), "cpu"))
        plain = windows_at_once(predict, pixels, 32, stride)
        torch.testing.assert_close(torch.cat(rows, 2), plain, rtol=0, atol=tolerance)
        assert len(rows) == len(window_starts(size[0], 32, stride))


@pytest.mark.parametrize("at_once", [2, 7, 10_000])
@pytest.mark.parametrize("size", [(50, 60), (23, 90), (190, 33), (1, 1), (50, 90)])
def test_bands_are_resized_as_the_whole_would_be(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], at_once: int
) -> None:
    monkeypatch.setattr(row_chunks, "_MAX_VALUES", at_once * size[1] * CLASSES)
    whole = torch.from_numpy(np.random.default_rng(0).normal(0, 5, (1, CLASSES, 50, 60))).float()
    parts = iter(whole.split([1, 20, 3, 26], dim=2))
    cut = list(resized_row_chunks(parts, 50, size))
    assert [chunk.shape[2] for chunk in cut[:-1]] == [at_once] * (len(cut) - 1)
    expected = F.interpolate(whole, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(torch.cat(cut, 2), expected, rtol=0, atol=4e-6)
    if size == (50, 60):
        assert torch.equal(torch.cat(cut, 2), whole)


@pytest.mark.parametrize(
    "protocol",
    [
        {},
        {"short_side": 70},
        {"mode": "slide"},
        {"mode": "slide", "short_side": 20},
        {"mode": "slide", "short_side": 100, "scales": (0.5, 1.0), "flip": True},
        {"scales": (0.5, 1.5), "flip": True},
    ],
)
def test_small_bands_and_one_band_say_the_same(
    network: Segmenter, monkeypatch: pytest.MonkeyPatch, protocol: dict[str, object]
) -> None:
    pixels, config = image(60, 45), EvaluateConfig(**protocol).resolved((32, 32))
    (one,) = logit_row_chunks(network, pixels[None], config, "cpu", "float32")
    monkeypatch.setattr(row_chunks, "_MAX_VALUES", 1000)
    several = list(with_rows(logit_row_chunks(network, pixels[None], config, "cpu", "float32")))
    assert len(several) > 3
    assert [rows.start for rows, _ in several[1:]] == [rows.stop for rows, _ in several[:-1]]
    torch.testing.assert_close(torch.cat([chunk for _, chunk in several], 2), one, rtol=1e-5, atol=1e-5)


def test_windows_must_not_leave_gaps() -> None:
    with pytest.raises(UserError, match=r"evaluate\.stride=\[40, 40\] is more than the window"):
        EvaluateConfig(mode="slide", stride=40).resolved((32, 48))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from s4former.engine import train

    root = tmp_path_factory.mktemp("row_chunks")
    train(tiny_run(make_data(root / "data"), {"steps": 1}), root / "run")
    return root / "run"


def test_a_huge_image_is_predicted_in_windows_and_says_so(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, pixels = Model.load(run_folder, "cpu"), image(40, 48)
    whole = model.predict(pixels)
    assert not caplog.records
    monkeypatch.setattr("s4former.inference.predict.MAX_PATCHES", 29)  # 5 x 6 patches are more
    switched = model.predict(pixels)
    assert "40 x 48 pixels (height x width) is too large for evaluate.mode=whole" in caplog.text
    assert "windows of 32 x 32 pixels" in caplog.text
    windows = model.predict(pixels, EvaluateConfig(mode="slide"))
    assert np.array_equal(switched.confidence, windows.confidence)
    assert not np.array_equal(switched.confidence, whole.confidence)


def test_a_huge_image_in_one_piece_is_refused_before_it_is_looked_at(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logits, "MAX_PATCHES", 29)
    with pytest.raises(
        UserError, match=r"the val image images/val/val0 has 40 x 48 .* 30 patches .*evaluate.mode=slide"
    ):
        validate(run_folder, ["device=cpu"])
    assert validate(run_folder, ["device=cpu", "evaluate.mode=slide"]).images == 2
    assert validate(run_folder, ["device=cpu", "evaluate.short_side=32"]).images == 2
    with pytest.raises(UserError, match="the image has 40 x 48"):
        Model.load(run_folder, "cpu").predict(image(40, 48), EvaluateConfig())


def test_patches_are_those_of_the_largest_look(network: Segmenter) -> None:
    pixels = image(30, 50)
    patches = [
        logits.whole_patches(network, pixels, EvaluateConfig(**fields))
        for fields in ({}, {"short_side": 60}, {"scales": (0.5, 2.0)}, {"mode": "slide"})
    ]
    assert patches == [24, 94, 94, 0]  # of 8 x 8 pixels


def test_rows_that_are_done_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_chunks, "_MAX_VALUES", 20 * 40 * CLASSES)
    made: list[weakref.ref[Tensor]] = []

    def rows() -> row_chunks.RowChunks:
        for _ in range(50):
            chunk = torch.zeros(1, CLASSES, 40, 40)
            made.append(weakref.ref(chunk))
            yield chunk
            del chunk

    for ready in resized_row_chunks(rows(), 2000, (2000, 40)):
        assert ready.untyped_storage().nbytes() == ready.numel() * 4, "a copy that keeps nothing else"
        assert sum(each() is not None for each in made) <= 1
    assert len(made) == 50


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width", "megabytes"), [(8000, 1000, 550), (1000, 8000, 630)])
def test_the_memory_for_8000_pixels(height: int, width: int, megabytes: int) -> None:
    """All logits of 10 classes would add 320 MB, as often as they are copied."""
    script = f"""
import resource, numpy as np, torch
from s4former.inference.row_chunks import with_rows
from s4former.inference.config import EvaluateConfig
from s4former.inference.logits import in_eval, logit_row_chunks
from s4former.models import ModelConfig, build_segmenter
from s4former.models.backbones.configs.vit import ViTConfig
torch.set_num_threads(1)
custom = ViTConfig(image_size=(128, 128), patch_size=16, embed_dim=16, depth=1, num_heads=2)
network = build_segmenter(ModelConfig(backbone=custom, head="linear"), 10, 0)
image = np.random.default_rng(0).integers(0, 256, ({height}, {width}, 3), dtype=np.uint8)
mask = np.empty(image.shape[:2], np.uint8)
config = EvaluateConfig(mode="slide", stride=128).resolved((128, 128))
with in_eval({{"network": network}}):
    list(logit_row_chunks(network, image[None, :128, :300], config, "cpu", "float32"))  # warms up
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with in_eval({{"network": network}}):
    for rows, chunk in with_rows(logit_row_chunks(network, image[None], config, "cpu", "float32")):
        mask[rows] = chunk[0].argmax(0).numpy()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    (done,) = server().script(script)
    assert done.code == 0, done.err
    assert int(done.out) < megabytes
