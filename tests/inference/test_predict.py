"""Models in use: loading them from wherever they are, any kind of image, pictures at original size."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from PIL import Image

import s4former
from s4former.config import DataError, UserError
from s4former.engine import read_lines, train, validate
from s4former.inference import Model, device, find_images
from s4former.inference.overlay import overlay_picture, overlay_rows, write_png_rows
from tiny_run import NAMES, make_data, tiny_run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("predict")
    changes = {
        "model.head": "setr_pup",
        "model.head.channels": 8,
        "model.head.num_convs": 2,
        "model.head.out_indices": [0],
        "model.auxiliary_heads": [{"name": "setr_pup", "out_indices": [block]} for block in (0, 1)],
    }
    train(tiny_run(make_data(root / "data"), changes), root / "run")
    return root / "run"


@pytest.fixture(scope="module")
def model(run_folder: Path) -> Model:
    return Model.load(run_folder)


def picture(path: Path) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_every_way_to_name_a_model_leads_to_the_same(run_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run_folder / "model", tmp_path / "elsewhere")
    paths = [run_folder, run_folder / "model", run_folder / "model" / "model.safetensors", copy]
    image = picture(tmp_path / "a.png")
    first, *others = [s4former.load(path).predict(image) for path in paths]
    for other in others:
        assert np.array_equal(first.mask, other.mask)
        assert np.array_equal(first.confidence, other.confidence)


def test_the_precision_of_a_model_is_one_that_there_is(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: True)
    assert s4former.load(run_folder, "cpu", "auto").precision == "float32"
    assert s4former.load(run_folder, "cpu", "bfloat16").precision == "bfloat16"
    with pytest.raises(UserError, match="precision=float16 is unknown"):
        s4former.load(run_folder, "cpu", "float16")


def test_only_what_is_used_is_saved(model: Model) -> None:
    assert not any(name.startswith("auxiliary") for name in model.network.state_dict())
    assert not any("blocks.1." in name for name in model.network.state_dict()), (
        "block 1 fed an auxiliary head only"
    )


def test_prediction_has_the_size_of_the_image_and_its_meaning(model: Model, tmp_path: Path) -> None:
    result = model.predict(picture(tmp_path / "a.png"))
    assert result.mask.shape == result.confidence.shape == (30, 50)
    assert result.mask.dtype == np.uint8
    assert result.mask.max() < 3
    assert result.confidence.min() >= 1 / 3 - 1e-6
    assert result.confidence.max() <= 1 + 1e-6
    assert result.names == tuple(NAMES)
    assert result.overlay().size == (50, 30)


def test_all_kinds_of_images_mean_the_same(model: Model, tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    array = np.array(Image.open(path))
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    expected = model.predict(path).mask
    for image in (str(path), Image.open(path), array, array / 255, tensor, tensor / 255):
        assert np.array_equal(model.predict(image).mask, expected)
    gray = array[..., 0]
    expected = model.predict(Image.fromarray(gray)).mask
    for image in (gray, gray[..., None], torch.from_numpy(gray)[None]):
        assert np.array_equal(model.predict(image).mask, expected)
    half = (tensor // 255).bfloat16()
    assert np.array_equal(model.predict(half).mask, model.predict(half.float()).mask)


@pytest.mark.parametrize("orientation", [3, 6])
def test_exif_rotation_is_applied_to_files_and_pictures(
    model: Model, tmp_path: Path, orientation: int
) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(picture(tmp_path / "a.png")).save(path, exif=exif)
    upright = np.rot90(np.array(Image.open(path)), {3: 2, 6: 3}[orientation])
    for image in (path, Image.open(path)):
        assert np.array_equal(model.predict(image).image, upright)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4, 4), np.uint8), "h x w x 3"),
        (np.zeros((0, 4, 3), np.uint8), "h x w x 3"),
        (np.full((4, 4, 3), 7.0), "from 7 to 7"),
        (np.full((4, 4, 3), np.nan), "with NaN"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (torch.zeros(2, 3, 4, 4), "h x w x 3"),
    ],
)
def test_what_is_no_image_is_refused(model: Model, image: np.ndarray | torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        model.predict(image)


@pytest.mark.parametrize("image", [None, b"bytes", [{"a.png"}]])
def test_what_is_nothing_like_an_image_is_refused(
    model: Model, image: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users have no checker either
    with pytest.raises(TypeError, match=r"expected one image: a path.*got a (NoneType|bytes|set)"):
        model.predict(image)


def test_a_list_is_predicted_as_its_images_are(model: Model, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = [
        generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in [(30, 50), (50, 30), (30, 50)]
    ]
    for together, image in zip(model.predict(images), images, strict=True):
        alone = model.predict(image)
        assert np.array_equal(together.image, image)
        assert np.abs(together.confidence - alone.confidence).max() < 1e-5
        assert (together.mask == alone.mask).mean() > 0.999
    assert model.predict([]) == []


def test_models_and_predictions_say_what_they_are(model: Model, tmp_path: Path) -> None:
    result = model.predict(picture(tmp_path / "a.png"))
    assert repr(result).startswith("Prediction(30 x 50: ")
    assert "3 classes: background, square, disk; s4former, teacher after 6 steps" in repr(model)
    shown = Image.open(io.BytesIO(result._repr_png_()))
    assert shown.width >= 50
    assert shown.height > 30


def test_outlines_are_seen_though_a_class_has_the_color_of_the_image() -> None:
    image, mask = np.full((40, 60, 3), 90, np.uint8), np.zeros((40, 60), np.uint8)
    mask[10:30, 20:40] = 1
    painted = np.asarray(overlay_picture(image, mask, ((90, 90, 90),) * 2, 0.5, (0, 1, 2)))
    assert (painted[[9, 30], 20:40] == [[[255]], [[0]]]).all()
    assert (painted[0] == 90).all()
    tall = np.zeros((700, 600), np.uint8)
    tall[256:] = 1  # a border between the bands that are painted one after the other
    lines = np.asarray(
        overlay_picture(np.zeros((700, 600, 3), np.uint8), tall, ((9, 9, 9),) * 2, 0.5, (0, 1, 2))
    )
    assert (lines[255] == 255).all()
    assert (lines[256] == 0).all()


@pytest.mark.parametrize("size", [(700, 33), (1, 1), (5, 2)])
def test_a_png_written_by_rows_is_the_picture(size: tuple[int, int], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    asked = image, random.integers(0, 2, size, dtype=np.uint8), ((9, 9, 9), (200, 0, 50)), 0.5, (0, 1, 2)
    write_png_rows((rows for _, rows in overlay_rows(*asked)), size[::-1], tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as written:
        assert written.mode == "RGB"
        assert (np.asarray(written) == np.asarray(overlay_picture(*asked))).all()


def test_deep_images_are_refused_in_the_terms_of_a_prediction(model: Model, tmp_path: Path) -> None:
    deep = np.arange(1200, dtype=np.uint16).reshape(30, 40)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    for image in (tmp_path / "deep.png", Image.fromarray(deep)):
        with pytest.raises(
            DataError, match=r"uint16 values from 0 to 1199, but the model was trained on.*8 bits"
        ):
            model.predict(image)


def test_a_broken_file_is_a_data_error(model: Model, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.png"):
        model.predict(tmp_path / "a.png")


def test_saved_pictures_hold_indices_colors_and_confidence(model: Model, tmp_path: Path) -> None:
    result = model.predict(picture(tmp_path / "a.png"))
    paths = result.save(tmp_path / "out", "sub/a", confidence=True)
    assert [path.name for path in paths] == ["a.png", "a_overlay.png", "a_confidence.png"]
    index = Image.open(paths[0])
    assert index.mode == "P"
    assert np.array_equal(np.array(index), result.mask)
    assert np.array_equal(np.array(index.convert("RGB")), np.array(result.colors, np.uint8)[result.mask])
    assert Image.open(paths[1]).size == (50, 30)
    gray = np.array(Image.open(paths[2])) / 255
    assert np.abs(gray - result.confidence).max() <= 0.5 / 255 + 1e-6


def test_saving_replaces_its_own_pictures_and_no_others(model: Model, tmp_path: Path) -> None:
    result = model.predict(picture(tmp_path / "a.png"))
    photo = (tmp_path / "a.png").read_bytes()
    with pytest.raises(UserError, match=r"a\.png is there already.*\n.*another stem"):
        result.save(tmp_path, "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == photo
    for _ in range(2):
        result.save(tmp_path / "out", "a")


@pytest.mark.parametrize("opacity", [-0.1, 2, float("nan")])
def test_an_opacity_is_a_share(model: Model, tmp_path: Path, opacity: float) -> None:
    with pytest.raises(UserError, match="from 0 to 1"):
        model.predict(picture(tmp_path / "a.png")).overlay(opacity)


def test_validation_repeats_the_score_of_the_run(run_folder: Path) -> None:
    (line,) = [
        line
        for line in read_lines(run_folder / "scores.jsonl")
        if line["step"] == 6 and line["network"] == "teacher"
    ]
    record = validate(run_folder, ["device=cpu"]).record()
    assert {key: record[key] for key in ("miou", "iou", "acc", "aacc")} == {
        key: line[key] for key in ("miou", "iou", "acc", "aacc")
    }


def test_validation_takes_another_protocol_and_other_data(run_folder: Path, tmp_path: Path) -> None:
    other = make_data(tmp_path / "data", val=1)
    record = validate(
        run_folder, [f"data.root={other}", "evaluate.mode=slide", "evaluate.stride=16"]
    ).record()
    assert record["images"] == 1
    assert record["protocol"]["crop_size"] == [32, 32]
    (other / "classes.json").write_text(json.dumps({"names": ["background", "disk", "square"]}))
    with pytest.raises(UserError, match="the model knows the classes background, square, disk"):
        validate(run_folder, {"data.root": str(other)})
    with pytest.raises(UserError, match=r"did you mean evaluate\.part"):
        validate(run_folder, ["evaluate.prt=test"])


def test_what_is_no_model_says_what_is_missing(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no"):
        Model.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"expected model\.safetensors and model\.json"):
        Model.load(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match=r"no model yet.*--resume"):
        Model.load(tmp_path)
    best = shutil.copytree(run_folder / "model", tmp_path / "model_best")
    with pytest.raises(UserError, match=f"give {best}, the best so far"):
        Model.load(tmp_path)
    assert Model.load(best).card.names
    broken = shutil.copytree(run_folder / "model", tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(UserError, match=r"model.safetensors can't be read"):
        Model.load(broken)
    card = json.loads((broken / "model.json").read_text())
    (broken / "model.json").write_text(json.dumps(card | {"shape": 1}))
    with pytest.raises(UserError, match="shape: unknown field"):
        Model.load(broken)
    (broken / "model.json").write_text(json.dumps(card | {"format": 1}))
    with pytest.raises(UserError, match="format: got 1; expected 2"):
        Model.load(broken)
    for field, value, words in [
        ("display_channels", [0, 1, 10**30], r"display_channels=.* must be below channels=3"),
        ("display_channels", [0, -1, 2], "greater than or equal to 0"),
        ("channels", 0, "greater than 0"),
    ]:
        (broken / "model.json").write_text(json.dumps(card | {"input": card["input"] | {field: value}}))
        with pytest.raises(UserError, match=rf"input.*{words}"):
            Model.load(broken)
    for change, words in [
        ({"protocol": 3.0}, "protocol: Input should be"),
        ({"protocol": card["score"]["protocol"] | {"scales": ["large"]}}, r"protocol.scales.0: Input"),
        ({"interval": {"low": {"miou": 0.1}}}, "interval.high: Field required"),
    ]:
        damaged = card | {"score": card["score"] | change}
        (broken / "model.json").write_text(json.dumps(damaged))
        with pytest.raises(UserError, match=rf"score: .*expected a line of scores.jsonl; its {words}"):
            Model.load(broken)


def test_files_folders_and_globs_are_found(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("a.png", "deep/b.jpg", "deep/er/c.PNG"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    (tmp_path / "deep" / "notes.txt").write_text("no image")
    assert find_images([str(tmp_path / "deep")]).images == (
        ("b", tmp_path / "deep/b.jpg"),
        ("er/c", tmp_path / "deep/er/c.PNG"),
    )
    twice = [str(tmp_path / "*.png"), str(tmp_path / "a.png")]
    assert find_images(twice).images == (("a", tmp_path / "a.png"),)
    assert find_images([str(tmp_path / "**/*.jpg")]).images == (("b", tmp_path / "deep/b.jpg"),)
    np.save(tmp_path / "deep" / "stack.npy", np.zeros((2, 2, 4)))
    assert "stack" in dict(find_images([str(tmp_path / "deep")]).images)
    for nothing in ("missing.png", "deep/*.tif"):
        with pytest.raises(UserError, match="there is no such image"):
            find_images([str(tmp_path / nothing)])
