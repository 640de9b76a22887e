"""Weight files: what loads, and what is said about those that do not."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small_networks import NUM_CLASSES, tiny, tiny_config
from torch import Tensor

from s4former.config.errors import UserError
from s4former.models import weights
from s4former.models.keys import convert_authors_checkpoint, from_authors
from s4former.models.segmenter import ModelConfig, build_segmenter
from s4former.models.weights import load_backbone_weights, load_hub_weights, read_state

DINOV2 = Path(__file__).resolve().parents[3] / "shared" / "weights" / "dinov2_vits14.safetensors"


def backbone_state(seed: int = 1) -> dict[str, Tensor]:
    return tiny(seed, norm_taps=True).backbone.state_dict()


def test_a_file_gives_the_backbone_and_leaves_the_heads_random(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(backbone_state(), path)
    loaded = tiny(0, pretrained=str(path), taps=(1,)).state_dict()
    random, stored = tiny(0, taps=(1,)).state_dict(), backbone_state()
    for name, value in loaded.items():
        expected = stored[name.removeprefix("backbone.")] if name.startswith("backbone.") else random[name]
        assert torch.equal(value, expected)


def test_what_a_trunk_has_no_place_for_is_reported() -> None:
    trunk = tiny(0, taps=(1,)).backbone
    report = load_backbone_weights(trunk, backbone_state() | {"head.weight": torch.zeros(2, 16)})
    assert report.style == "timm"
    assert report.loaded == len(trunk.state_dict())
    assert {name.split(".")[0] for name in report.ignored} == {"blocks", "norm", "head"}
    assert all(name.startswith("blocks.2.") for name in report.ignored if name.startswith("blocks."))
    assert report.resized_from is None


def test_half_precision_becomes_single() -> None:
    segmenter = tiny(0)
    load_backbone_weights(
        segmenter.backbone, {name: value.half() for name, value in backbone_state().items()}
    )
    assert all(value.dtype == torch.float32 for value in segmenter.backbone.state_dict().values())
    torch.testing.assert_close(
        segmenter.backbone.state_dict()["pos_embed"], backbone_state()["pos_embed"], rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_torch_files(tmp_path: Path, wrapper: str | None) -> None:
    path = tmp_path / "vit.pth"
    state: Any = {f"module.{name}": value for name, value in backbone_state().items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    segmenter = tiny(0, pretrained=str(path))
    assert torch.equal(segmenter.backbone.state_dict()["pos_embed"], backbone_state()["pos_embed"])


def test_missing_and_unexpected_names_stop() -> None:
    state = backbone_state() | {"blocks.0.extra": torch.zeros(1)}
    del state["blocks.1.mlp.fc1.bias"]
    before = tiny(0).backbone
    with pytest.raises(UserError) as error:
        load_backbone_weights(before, state)
    message = str(error.value)
    assert "1 missing: blocks.1.mlp.fc1.bias" in message
    assert "1 unexpected: blocks.0.extra" in message
    assert "model.strict_weights=false" in message
    untouched = tiny(0).backbone.state_dict()
    assert all(torch.equal(value, untouched[name]) for name, value in before.state_dict().items())


def test_not_strict_loads_what_fits_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = backbone_state()
    del state["blocks.1.mlp.fc1.bias"]
    save_file(state, tmp_path / "vit.safetensors")
    with caplog.at_level(logging.WARNING):
        segmenter = tiny(0, pretrained=str(tmp_path / "vit.safetensors"), strict_weights=False)
    assert "blocks.1.mlp.fc1.bias" in caplog.text
    assert torch.equal(segmenter.backbone.state_dict()["cls_token"], state["cls_token"])


def test_another_width_stops() -> None:
    state = backbone_state()
    state["blocks.0.attn.proj.weight"] = torch.zeros(8, 8)
    with pytest.raises(UserError, match=r"blocks.0.attn.proj.weight is \(8, 8\), the backbone's \(16, 16\)"):
        load_backbone_weights(tiny(0).backbone, state)


def test_positions_that_fit_no_square() -> None:
    state = backbone_state() | {"pos_embed": torch.zeros(1, 12, 16)}
    with pytest.raises(UserError, match="12 tokens"):
        load_backbone_weights(tiny(0).backbone, state)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_positions_of_another_grid_are_resized(mode: Any) -> None:
    state = backbone_state() | {
        "pos_embed": torch.randn(1, 10, 16, generator=torch.Generator().manual_seed(0))
    }
    backbone = tiny(0).backbone
    report = load_backbone_weights(backbone, state, position_interpolation=mode)
    grid = state["pos_embed"][:, 1:].reshape(1, 3, 3, 16).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(grid, size=(4, 4), mode=mode, align_corners=False)
    torch.testing.assert_close(backbone.pos_embed[:, 1:], expected.flatten(2).transpose(1, 2))
    assert torch.equal(backbone.pos_embed[:, :1], state["pos_embed"][:, :1])
    assert report.resized_from == (3, 3)


def test_an_unknown_naming_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no backbone in a known naming .* starts with layer1.conv.weight"):
        load_backbone_weights(tiny(0).backbone, {"layer1.conv.weight": torch.zeros(1)})


def test_a_missing_file_says_where_to_put_it(tmp_path: Path) -> None:
    path = tmp_path / "pretrain" / "deit.pth"
    with pytest.raises(UserError) as error:
        build_segmenter(tiny_config(pretrained=str(path)), NUM_CLASSES, seed=0)
    assert str(path) in str(error.value)
    assert "model.pretrained=none" in str(error.value)


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pth"])
def test_a_broken_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"nothing of use")
    with pytest.raises(UserError, match=f"{name} can't be read"):
        read_state(path)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "code.pth"
    torch.save({"state_dict": Path("anything")}, path)
    with pytest.raises(UserError, match="can't be read"):
        read_state(path)


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.zeros(1)]])
def test_a_file_without_tensors_by_name(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=r"odd.pth holds"):
        read_state(tmp_path / "odd.pth")


def test_the_hub_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_args: Any, **_options: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(weights, "create_vit", offline)
    config = ModelConfig(backbone="vit_tiny_patch16_224", pretrained="hub")
    with pytest.raises(
        UserError, match=r"(?s)no route to host.*model.pretrained=FILE.*model.pretrained=none"
    ):
        load_hub_weights(tiny(0).backbone, config)


@pytest.mark.parametrize("name", ["vit_wee_patch16_reg1_gap_256"])
def test_the_hub_gives_weights_and_watches_colors(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def online(name: str, pretrained: bool) -> Any:
        import timm

        assert pretrained
        return timm.create_model(name, pretrained=False, num_classes=0)

    config = ModelConfig(backbone=name, norm_taps=True, head="linear")
    backbone = build_segmenter(config, NUM_CLASSES, seed=0).backbone
    monkeypatch.setattr(weights, "create_vit", online)
    with pytest.raises(UserError, match=r"type model.mean=\[0.5,0.5,0.5\] model.std=\[0.5,0.5,0.5\]"):
        load_hub_weights(backbone, config)
    half = (0.5, 0.5, 0.5)
    report = load_hub_weights(backbone, config.model_copy(update={"mean": half, "std": half}))
    assert report.loaded == len(backbone.state_dict())
    assert not report.missing


@pytest.mark.skipif(not DINOV2.is_file(), reason=f"{DINOV2} is missing")
def test_a_real_file() -> None:
    config = ModelConfig(
        backbone="vit_small_patch14_dinov2", pretrained=str(DINOV2), taps=(0,), head="linear"
    )
    segmenter = build_segmenter(config, NUM_CLASSES, seed=0).eval()
    stored = read_state(DINOV2)
    for name, value in segmenter.backbone.state_dict().items():
        assert torch.equal(value, stored[name].float())
    with torch.no_grad():
        assert segmenter(torch.rand(1, 3, 30, 45)).isfinite().all()


def test_authors_names() -> None:
    assert from_authors("decode_head.up_convs.2.0.bn.running_var") == "head.stages.2.norm.running_var"
    assert from_authors("auxiliary_head.3.conv_seg.bias") == "auxiliary_heads.3.classifier.bias"
    assert from_authors("backbone_ema.cls_token", "teacher") == "backbone.cls_token"
    assert from_authors("backbone_ema.cls_token", "student") is None
    assert from_authors("backbone.layers.1.ln2.bias") == "backbone.blocks.1.norm2.bias"


def test_a_checkpoint_without_the_network_asked_for() -> None:
    with pytest.raises(UserError, match=r"holds no teacher .* expected keys backbone_ema"):
        convert_authors_checkpoint({"backbone.cls_token": torch.zeros(1)}, "teacher")
