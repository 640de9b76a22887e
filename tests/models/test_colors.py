"""Color statistics of weights in files: read where they are written, asked for where they disagree."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_networks import NUM_CLASSES, tiny, tiny_config
from typer.testing import CliRunner

from s4former.cli.main import app
from s4former.config import UserError
from s4former.models import ModelConfig, build_segmenter, convert_weights, require_colors
from s4former.models.colors import colors_in, published_colors

HALF = [0.5, 0.5, 0.5]
TYPED = r"type model.mean=\[0.5,0.5,0.5\] model.std=\[0.5,0.5,0.5\]"


def build(path: Path, **changes: Any) -> None:
    build_segmenter(tiny_config(pretrained=str(path), **changes), NUM_CLASSES, 0)


def weights(path: Path, metadata: dict[str, str] | None = None) -> Path:
    path.parent.mkdir(exist_ok=True)
    state = {name: value.clone() for name, value in tiny(1, final_norm=True).backbone.state_dict().items()}
    save_file(state, path, metadata)
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config.json", {"architecture": "vit", "pretrained_cfg": {"mean": HALF, "std": HALF}}),  # timm's
        ("preprocessor_config.json", {"image_mean": HALF, "image_std": HALF, "do_normalize": True}),
        ("preprocessor_config.json", {"image_mean": [127.5] * 3, "image_std": [127.5] * 3}),
        ("processor_config.json", {"image_processor": {"image_mean": HALF, "image_std": HALF}}),
        ("open_clip_config.json", {"preprocess_cfg": {"mean": HALF, "std": HALF}}),
        ("model.json", {"architecture": {"mean": HALF, "std": HALF}}),
    ],
)
@pytest.mark.parametrize("file", ["model.safetensors", "vit.safetensors"])
def test_a_file_beside_it_says_so(tmp_path: Path, name: str, said: Any, file: str) -> None:
    path = weights(tmp_path / file)
    (tmp_path / name).write_text(json.dumps(said))
    for given in (path, tmp_path):
        with pytest.raises(UserError, match=rf"says \S+{name}; {TYPED}"):
            build(given)
        build(given, mean=HALF, std=HALF)


def test_the_file_itself_says_so_and_conversion_keeps_it(tmp_path: Path) -> None:
    path = weights(tmp_path / "a.safetensors", {"mean": json.dumps(HALF), "std": json.dumps(HALF)})
    weights(tmp_path / "b.safetensors")
    with pytest.raises(UserError, match=TYPED):
        build(path)
    torch.save({"model": load_file(path), "pretrained_cfg": {"mean": HALF, "std": HALF}}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=TYPED):
        build(tmp_path / "a.pth")
    result = CliRunner().invoke(app, ["convert", str(tmp_path / "a.pth"), str(tmp_path / "new.safetensors")])
    assert result.exit_code == 0, result.output
    with pytest.raises(UserError, match=TYPED):
        build(tmp_path / "new.safetensors")
    done = convert_weights(path, tmp_path / "again.safetensors")
    assert str(done.colors) == "model.mean=[0.5,0.5,0.5] model.std=[0.5,0.5,0.5]"


def test_the_usual_ones_with_other_digits_are_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = weights(tmp_path / "model.safetensors")
    usual = {"image_mean": [123.675, 116.28, 103.53], "image_std": [58.395, 57.12, 57.375]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(usual))
    with caplog.at_level(logging.WARNING):
        build(path)
    assert not caplog.text


def test_what_is_assumed_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = weights(tmp_path / "vit.safetensors")
    weights(tmp_path / "other.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"mean": HALF, "std": HALF}))  # whose is not known
    with caplog.at_level(logging.WARNING):
        build(path)
    assert f"the weights in {path} do not say with which color statistics" in caplog.text
    assert "assumed are model.mean=[0.485,0.456,0.406] model.std=[0.229,0.224,0.225]" in caplog.text


def test_another_habit_of_the_backbones_name_is_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    config = ModelConfig(backbone="vit_base_patch16_224", pretrained="mae.pth")
    usual = published_colors(config.backbone.name)
    assert usual is not None
    assert usual.mean == (0.5, 0.5, 0.5)
    with caplog.at_level(logging.WARNING):
        require_colors(config, None, "the weights in mae.pth")
    assert "If they come from timm's vit_base_patch16_224, type model.mean=[0.5,0.5,0.5]" in caplog.text
    assert published_colors("mit_b0") is None


def test_images_of_other_channels_have_statistics_of_their_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = weights(tmp_path / "model.safetensors", {"mean": json.dumps(HALF), "std": json.dumps(HALF)})
    with caplog.at_level(logging.WARNING):
        build(path, channels=2, mean=(0.4, 0.4), std=(0.2, 0.2))
    assert not caplog.text


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {"mean": "zero", "std": HALF},
        {"mean": HALF},
        {"mean": [0.5, float("nan"), 0.5], "std": HALF},
        {"mean": HALF, "std": [0.5, 0.5]},
        {"mean": HALF, "std": [0, 0, 0]},
        {"mean": [True, True, True], "std": HALF},
        {"pretrained_cfg": "vit"},
        {"mean": "[0.5, ", "std": "[0.5"},
    ],
)
def test_records_that_name_none(record: Any) -> None:
    assert colors_in(record, "FILE") is None


def test_images_that_were_not_normalized() -> None:
    colors = colors_in({"image_mean": HALF, "image_std": HALF, "do_normalize": False}, "FILE")
    assert colors is not None
    assert (colors.mean, colors.std) == ((0, 0, 0), (1, 1, 1))
