"""A run on images of four channels of 16 bits: training, scores, pictures, resuming and predicting."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from s4former.config import DataError, Interrupted, UserError
from s4former.config.override import override
from s4former.curation import open_source
from s4former.data import Split, split_ids
from s4former.data.statistics import channel_statistics
from s4former.engine import Run, read_lines, train, validate
from s4former.engine.callbacks import Callback
from s4former.inference import Model, logit_row_chunks
from tiny_run import make_data, tiny_run

RANGE = [100, 4000]
STATISTICS = {"model.mean": [0.3, 0.3, 0.3, 0.5], "model.std": [0.2, 0.2, 0.2, 0.3]}


def make_stacks(root: Path) -> Path:
    """Replace each picture by four channels of 12 bits: a NumPy array, or a TIFF of pages for validation."""
    make_data(root)
    for path in sorted((root / "images").rglob("*.png")):
        pixels = np.asarray(Image.open(path)).astype(np.uint16) * 16
        stack = np.concatenate([pixels, 4000 - pixels[..., :1]], axis=2)
        if path.parent.name == "val":
            pages = [Image.fromarray(np.ascontiguousarray(page)) for page in np.moveaxis(stack, 2, 0)]
            pages[0].save(path.with_suffix(".tif"), save_all=True, append_images=pages[1:])
        else:
            np.save(path.with_suffix(".npy"), stack)
        path.unlink()
    return root


def four_channels(root: Path, **changes: Any) -> Run:
    base = {
        "data.channels": 4,
        "model.channels": 4,
        "data.value_range": RANGE,
        "steps": 2,
        "evaluate_every": 1,
    }
    base |= {"data.display_channels": [3, 0, 1]}
    return tiny_run(root, base | STATISTICS | changes)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stacks(tmp_path_factory.mktemp("channels") / "data")


@pytest.fixture(scope="module")
def run_folder(root: Path) -> Path:
    folder = root.parent / "run"
    train(four_channels(root), folder)
    return folder


def test_four_channels_train_and_are_scored(run_folder: Path) -> None:
    losses = [line["loss"] for line in read_lines(run_folder / "journal.jsonl")]
    assert np.isfinite(losses).all()
    assert read_lines(run_folder / "scores.jsonl")[-1]["step"] == 2
    weights = Model.load(run_folder).network.state_dict()
    (embedding,) = [value for name, value in weights.items() if name.endswith("patch_embed.proj.weight")]
    assert embedding.shape[1] == 4


def test_a_file_is_predicted_as_it_is_validated(run_folder: Path, root: Path) -> None:
    model = Model.load(run_folder)
    source = open_source(four_channels(root).data)
    assert (model.card.input.channels, model.card.input.value_range) == (4, (100, 4000))
    for id in source.val:
        image = source.read_image(id, "val")
        with torch.inference_mode():
            (logits,) = logit_row_chunks(model.network, image[None], model.card.evaluate, "cpu", "float32")
        result = model.predict(root / f"{id}.tif")
        assert np.array_equal(result.image, image)
        assert np.array_equal(result.mask, logits[0].argmax(0).numpy())
    last = read_lines(run_folder / "scores.jsonl")[-1]
    assert validate(run_folder, ["device=cpu"]).record()["iou"] == last["iou"]


def test_every_kind_of_array_means_the_same(run_folder: Path, root: Path) -> None:
    model = Model.load(run_folder)
    path = next((root / "images/train").glob("*.npy"))
    array, expected = np.load(path), model.predict(path)
    for image in (array, array.astype(np.float32), torch.from_numpy(array.astype(np.int32)).permute(2, 0, 1)):
        assert np.array_equal(model.predict(image).confidence, expected.confidence)
    assert np.array_equal(model.predict(expected.image).mask, expected.mask)
    with pytest.raises(ValueError, match=r"h x w x 4 \(a tensor 4 x h x w\), got shape \(40, 48, 3\)"):
        model.predict(array[..., :3])
    Image.new("RGB", (48, 40)).save(root.parent / "rgb.png")
    with pytest.raises(DataError, match="expected 4 channels, got 40 x 48 x 3"):
        model.predict(root.parent / "rgb.png")
    with pytest.raises(DataError, match="expected 4 channels, got 40 x 48 x 3"):
        model.predict(Image.open(root.parent / "rgb.png"))


def test_pictures_show_the_display_channels(run_folder: Path, root: Path) -> None:
    result = Model.load(run_folder).predict(root / "images/val/val0.tif")
    shown = np.asarray(result.overlay(opacity=0.0))
    assert np.array_equal(shown, result.image[..., [3, 0, 1]])
    sheet = np.asarray(Image.open(run_folder / "panels/step_00000002.png"))
    assert np.array_equal(sheet[20:60, :48], result.image[..., [3, 0, 1]])


class StopAfterOne(Callback):
    def on_step(self, step: int) -> None:
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_resumed_run_ends_with_the_same_bits(run_folder: Path, root: Path) -> None:
    stopped = root.parent / "stopped"
    with pytest.raises(Interrupted):
        train(four_channels(root), stopped, progress=StopAfterOne())
    train(four_channels(root), stopped, resume=True)
    resumed = Model.load(stopped).network.state_dict()
    straight = Model.load(run_folder).network.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in straight.items())


def test_a_short_side_is_reached_with_any_number_of_channels(run_folder: Path, root: Path) -> None:
    model = Model.load(run_folder)
    config = override(model.card.evaluate, {"short_side": 24})[0]
    result = model.predict(root / "images/val/val0.tif", config)
    assert result.mask.shape == (40, 48)
    assert not np.array_equal(result.confidence, model.predict(root / "images/val/val0.tif").confidence)


def test_one_gray_channel(tmp_path: Path) -> None:
    """Color files are read as gray, and predicting takes gray and color alike."""
    changes = {"data.channels": 1, "model.channels": 1, "model.mean": [0.4], "model.std": [0.3], "steps": 1}
    train(tiny_run(make_data(tmp_path / "data"), changes), tmp_path / "run")
    model = Model.load(tmp_path / "run")
    path = tmp_path / "data/images/val/val0.png"
    gray = np.array(Image.open(path).convert("L"))
    expected = model.predict(path)
    for image in (gray, gray[..., None], gray / 255, Image.open(path), Image.fromarray(gray)):
        assert np.array_equal(model.predict(image).mask, expected.mask)
    assert expected.image.shape == (40, 48, 1)
    assert np.asarray(expected.overlay(0.0)).shape == (40, 48, 3)


def test_statistics_are_those_of_the_scaled_images(root: Path) -> None:
    source = open_source(four_channels(root).data)
    splits: tuple[Split, ...] = ("labeled", "unlabeled")
    images = (source.read_image(id, split) for split in splits for id in split_ids(source, split))
    mean, std = channel_statistics(images)
    stacks = [np.load(path) for path in sorted((root / "images/train").glob("*.npy"))]
    values = (np.concatenate([stack.reshape(-1, 4) for stack in stacks]) - 100.0).clip(0) / 3900
    np.testing.assert_allclose(mean, values.mean(axis=0), atol=0.5 / 255)
    np.testing.assert_allclose(std, values.std(axis=0), atol=0.5 / 255)


def test_network_and_data_have_the_same_channels(root: Path) -> None:
    with pytest.raises(UserError, match=r"data\.channels=4, but the network takes model\.channels=3"):
        tiny_run(root, {"data.channels": 4})
