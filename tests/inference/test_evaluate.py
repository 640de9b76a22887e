"""Scores of whole images: protocols, sizes, and that numbers mean what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from s4former.config import DataError
from s4former.curation import open_source
from s4former.inference import EvaluateConfig, Pictures, evaluate, logit_row_chunks, row_chunks, wording
from s4former.inference.logits import whole_patches
from s4former.inference.row_chunks import window_starts
from s4former.ops import Scores, areas, bootstrap, confusion_matrix
from s4former.types import Features, Images, Logits, Segmenter
from tiny_run import make_data, tiny_run


class Brightness(Segmenter):
    """Says class 0, 1 or 2 by a pixel's brightness: pixelwise, so windows must agree with the whole image."""

    num_classes, patch_size, num_prefix_tokens = 3, 8, 0

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []
        self.batches: list[int] = []

    def forward(self, images: Images) -> Logits:
        self.sizes.append((images.shape[2], images.shape[3]))
        self.batches.append(len(images))
        brightness = images.mean(1)
        return torch.stack([-(brightness - level).abs() for level in (0.1, 0.5, 0.8)], dim=1)

    def encode(self, images: Images, attention_bias: Tensor | None = None) -> Features:
        raise NotImplementedError

    def decode(self, features: Features, size: tuple[int, int]) -> Logits:
        raise NotImplementedError

    def decode_auxiliary(self, features: Features, size: tuple[int, int]) -> tuple[Logits, ...]:
        raise NotImplementedError

    def drop_auxiliary_heads(self) -> None:
        raise NotImplementedError

    def parameter_groups(self) -> dict[str, list[torch.nn.Parameter]]:
        raise NotImplementedError

    def for_inference(self) -> tuple[Any, Mapping[str, Tensor]]:
        raise NotImplementedError


def image_logits(network: Segmenter, pixels: np.ndarray, config: EvaluateConfig, *where: str) -> Tensor:
    return torch.cat(list(logit_row_chunks(network, pixels[None], config, *where)), dim=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), val=3)


def image(height: int = 40, width: int = 48) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("side", "window", "stride", "expected"),
    [(10, 4, 3, [0, 3, 6]), (10, 4, 4, [0, 4, 6]), (4, 4, 2, [0]), (3, 4, 2, [0]), (5, 4, 9, [0, 1])],
)
def test_windows_cover_a_side_and_end_at_its_border(
    side: int, window: int, stride: int, expected: list[int]
) -> None:
    starts = window_starts(side, window, stride)
    assert starts == expected
    assert {pixel for start in starts for pixel in range(start, start + window)} >= set(range(side))


@pytest.mark.parametrize("stride", [1, 7, 16, (16, 11)])
def test_windows_of_a_pixelwise_network_average_to_the_whole(stride: int | tuple[int, int]) -> None:
    network, pixels = Brightness(), image()
    whole = image_logits(network, pixels, EvaluateConfig(), "cpu", "float32")
    config = EvaluateConfig(mode="slide", crop_size=16, stride=stride)
    torch.testing.assert_close(image_logits(network, pixels, config, "cpu", "float32"), whole)


def test_windows_have_the_crop_size_and_default_to_the_training_crop() -> None:
    network = Brightness()
    config = EvaluateConfig(mode="slide").resolved((24, 30))
    assert (config.crop_size, config.stride) == ((24, 30), (16, 20))
    image_logits(network, image(), config, "cpu", "float32")
    assert set(network.sizes) == {(24, 30)}


def test_short_side_is_what_the_network_sees_and_logits_come_back_at_own_size() -> None:
    network = Brightness()
    logits = image_logits(network, image(40, 60), EvaluateConfig(short_side=20), "cpu", "float32")
    assert network.sizes == [(20, 30)]
    assert logits.shape == (1, 3, 40, 60)


def test_several_looks_average_probabilities_at_the_images_own_size() -> None:
    network, pixels = Brightness(), image(40, 60)
    config = EvaluateConfig(short_side=20, scales=(0.5, 1.0, 2.0), flip=True)
    mean = image_logits(network, pixels, config, "cpu", "float32").exp()
    assert sorted(network.sizes) == [(10, 15)] * 2 + [(20, 30)] * 2 + [(40, 60)] * 2
    one_by_one = [
        image_logits(network, pixels, EvaluateConfig(short_side=side), "cpu", "float32").softmax(1)
        for side in (10, 20, 40)
    ]  # a pixelwise network sees the same in a mirror
    torch.testing.assert_close(mean, torch.stack(one_by_one).mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mean.sum(1), torch.ones(1, 40, 60))


def test_a_mirrored_look_is_mirrored_back() -> None:
    class LeftRight(Brightness):
        """Says class 0 on the left half of what it sees and class 1 on the right, with its own certainty."""

        def forward(self, images: Images) -> Logits:
            b, _, height, width = images.shape
            logits = torch.zeros(b, 3, height, width)
            logits[:, 0, :, : width // 2] = 4
            logits[:, 1, :, width // 2 :] = 2
            return logits

    flipped = image_logits(LeftRight(), image(), EvaluateConfig(flip=True), "cpu", "float32").exp()
    left = torch.tensor([[4.0, 0, 0], [0, 2, 0]]).softmax(1).mean(0)
    torch.testing.assert_close(flipped[0, :, 5, 5], left)
    torch.testing.assert_close(flipped[0, :, 5, -5], left)


def test_scores_come_from_one_matrix_over_all_images(data: Path) -> None:
    network, source = Brightness().train(), open_source(tiny_run(data).data)
    seen: list[str] = []
    matrix = torch.zeros(3, 3, dtype=torch.int64)

    def show(id: str, pixels: np.ndarray, mask: np.ndarray, answers: dict[str, np.ndarray]) -> None:
        seen.append(id)
        brightness = pixels.astype(np.float64).mean(2) / 255
        expected = np.abs(brightness[..., None] - [0.1, 0.5, 0.8]).argmin(2)
        assert (answers["one"] == expected).mean() > 0.999
        matrix.add_(
            confusion_matrix(torch.from_numpy(answers["one"].astype(np.int64)), torch.from_numpy(mask), 3)
        )

    both = {"one": network, "two": network}
    results = evaluate(both, source, EvaluateConfig(), "cpu", "float32", pictures=Pictures(show))
    assert [Path(id).name for id in seen] == ["val0", "val1", "val2"]
    assert results["one"].scores == results["two"].scores == Scores.from_matrix(matrix)
    assert network.training, "the mode is given back"
    record = results["one"].record()
    assert record["images"] == 3
    assert record["iou"]["square"] == pytest.approx(results["one"].scores.iou[1])
    assert record["protocol"] == {**EvaluateConfig().model_dump(mode="json"), "precision": "float32"}


def test_few_images_give_an_interval_and_many_do_not(data: Path, tmp_path: Path) -> None:
    for count in (3, 10):
        root = data if count == 3 else make_data(tmp_path, val=count)
        seen: list[Tensor] = []

        def show(id: str, pixels: np.ndarray, mask: np.ndarray, answers: dict[str, np.ndarray]) -> None:
            said = torch.from_numpy(answers["n"].astype(np.int64))
            seen.append(areas(confusion_matrix(said, torch.from_numpy(mask), 3)))  # noqa: B023

        source = open_source(tiny_run(root).data)
        own, pictures = {"n": Brightness()}, Pictures(show)
        result = evaluate(own, source, EvaluateConfig(), "cpu", "float32", pictures=pictures)["n"]
        record = result.record()
        if count == 10:
            assert result.interval is None
            assert (record["interval"], record["remarks"]) == (None, [])
            continue
        assert result.interval == bootstrap(torch.stack(seen))
        assert record["interval"]["low"]["miou"] <= record["miou"] <= record["interval"]["high"]["miou"]
        assert any("3 val images are few" in remark for remark in record["remarks"])


def test_a_class_without_a_true_pixel_counts_as_0_and_that_is_said(tmp_path: Path) -> None:
    lonely = make_data(tmp_path, val=1)  # its one picture has no disk
    network = Brightness()
    network.forward = lambda images: torch.stack([-images.mean(1), images.mean(1), images.mean(1) * 3 - 1], 1)  # type: ignore[method-assign]
    source = open_source(tiny_run(lonely).data)
    record = evaluate({"n": network}, source, EvaluateConfig(), "cpu", "float32")["n"].record()
    assert record["iou"]["disk"] == 0
    assert record["counted_absent"] == ["disk"]
    assert record["miou"] == pytest.approx(sum(record["iou"].values()) / 3)
    assert record["miou_present"] == pytest.approx(sum(record["iou"].values()) / 2)
    assert "disk" in record["remarks"][0]
    assert f"{100 * record['miou_present']:.2f}" in record["remarks"][0]
    assert f"{100 * record['miou']:.2f} (over present classes" in wording.mean(record)
    assert any("no interval" in remark for remark in record["remarks"])


def test_undefined_scores_are_null(data: Path, tmp_path: Path) -> None:
    lonely = make_data(tmp_path, val=1)  # its one picture has no disk
    network = Brightness()
    network.forward = lambda images: torch.stack([images.mean(1), images.mean(1) + 1, images.mean(1)], 1)  # type: ignore[method-assign]
    result = evaluate({"n": network}, open_source(tiny_run(lonely).data), EvaluateConfig(), "cpu", "float32")[
        "n"
    ]
    assert math.isnan(result.scores.iou[2])
    assert result.record()["iou"]["disk"] is None
    assert result.record()["iou"]["background"] == 0


def test_a_part_without_images_is_a_data_error(data: Path) -> None:
    source = open_source(tiny_run(data).data)
    with pytest.raises(DataError, match="test"):
        evaluate({"n": Brightness()}, source, EvaluateConfig(part="test"), "cpu", "float32")


@pytest.mark.parametrize(("patch", "count"), [(8, 64), (16, 16), (32, 16)])
def test_coarse_patches_count_as_ones_of_16_pixels(patch: int, count: int) -> None:
    network = Brightness()
    network.patch_size = patch
    image = np.zeros((64, 64, 3), np.uint8)
    assert whole_patches(network, image, EvaluateConfig()) == count
    assert whole_patches(network, image, EvaluateConfig(mode="slide")) == 0


@pytest.mark.parametrize("threads", [0, 3])
def test_together_images_score_as_one_by_one(
    data: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    source, shown = open_source(tiny_run(data).data), list[str]()
    first = Pictures(lambda id, *_: shown.append(id), ids=source.val[1:2])
    network = Brightness()
    together = evaluate(
        {"n": network}, source, EvaluateConfig(), "cpu", "float32", pictures=first, threads=threads
    )["n"]
    assert network.batches == [3]
    assert shown == [source.val[1]], "nobody asked for more"
    monkeypatch.setattr(row_chunks, "_MAX_PIXELS", 1)
    alone = evaluate({"n": network}, source, EvaluateConfig(), "cpu", "float32")["n"]
    assert network.batches == [3, 1, 1, 1]
    assert (alone.scores, alone.interval) == (together.scores, together.interval)


def test_windows_side_by_side_are_one_batch() -> None:
    network, pixels = Brightness(), image(40, 48)
    config = EvaluateConfig(mode="slide", crop_size=16, stride=16)
    image_logits(network, pixels, config, "cpu", "float32")
    assert network.batches == [3, 3, 3]
