"""Rewriting weight files: what is written, what is said, and what is never written over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from s4former.cli.main import app
from s4former.config import UserError
from s4former.models import MiTConfig, convert_weights

pytestmark = pytest.mark.slow


def deit_tiny() -> dict[str, Tensor]:
    state: dict[str, Tensor] = timm.create_model("deit_tiny_patch16_224", num_classes=5).state_dict()
    return state


@pytest.fixture
def mmcls(tmp_path: Path) -> Path:
    """A DeiT-Ti as the model zoo of mmcls has it."""
    named = {}
    for name, value in deit_tiny().items():
        new = name.replace("blocks.", "layers.").replace("patch_embed.proj", "patch_embed.projection")
        new = new.replace("norm1", "ln1").replace("norm2", "ln2").replace("mlp.fc1", "ffn.layers.0.0")
        new = new.replace("mlp.fc2", "ffn.layers.1")
        new = new if not new.startswith("norm.") else "ln1." + new.removeprefix("norm.")
        named[f"head.layers.{new}" if new.startswith("head.") else f"backbone.{new}"] = value
    path = tmp_path / "deit.pth"
    torch.save({"meta": {"epoch": 300}, "state_dict": named}, path)
    return path


def test_the_command(mmcls: Path, tmp_path: Path) -> None:
    before, out = mmcls.read_bytes(), tmp_path / "new" / "deit.safetensors"
    result = CliRunner().invoke(app, ["convert", str(mmcls), str(out)])
    assert result.exit_code == 0, result.output
    assert f"{mmcls}: mmcls names" in result.output
    assert "150 tensors, 5.52 M parameters; 2 tensors outside of the backbone dropped" in result.output
    assert "model.backbone=vit_tiny_patch16_224 (also deit_tiny_patch16_224" in result.output
    assert mmcls.read_bytes() == before
    assert not list(out.parent.glob(".*.tmp"))
    timm.create_model("deit_tiny_patch16_224", num_classes=0).load_state_dict(load_file(out))


def test_values_grid_and_precision_stay(tmp_path: Path) -> None:
    state = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=96).half().state_dict()
    torch.save({"model": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "vit.pth")
    convert_weights(tmp_path / "vit.pth", tmp_path / "vit.safetensors")
    written = load_file(tmp_path / "vit.safetensors")
    assert written.keys() == state.keys()
    for name, value in written.items():
        assert value.dtype == torch.float16
        assert torch.equal(value, state[name])


def test_registers_get_the_form_that_timm_has(tmp_path: Path) -> None:
    """Hugging Face adds a position to the class token; timm has the sum."""
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=384,
        num_attention_heads=6,
        mlp_ratio=4,
        image_size=28,
        patch_size=14,
        num_hidden_layers=12,
    )
    model = transformers.Dinov2WithRegistersModel(config)
    torch.nn.init.normal_(model.embeddings.position_embeddings)
    model.save_pretrained(tmp_path)
    done = convert_weights(tmp_path / "model.safetensors", tmp_path / "new.safetensors")
    assert done.fits == ("vit_small_patch14_reg4_dinov2",)
    assert done.style == "huggingface"
    timms = timm.create_model(done.fits[0], img_size=28)
    written = load_file(tmp_path / "new.safetensors")
    timms.load_state_dict(written)
    positions = model.embeddings.position_embeddings
    assert torch.equal(written["cls_token"], model.embeddings.cls_token + positions[:, :1])
    assert torch.equal(written["pos_embed"], positions[:, 1:])


def test_a_mit(tmp_path: Path) -> None:
    state = MiTConfig().build(3).state_dict()
    heads = {"decode_head.linear_pred.weight": torch.zeros(1)}
    torch.save({f"backbone.{name}": value for name, value in state.items()} | heads, tmp_path / "mit.pth")
    done = convert_weights(tmp_path / "mit.pth", tmp_path / "mit.safetensors", "mit_b0")
    assert done.fits == ("mit_b0",)
    assert done.left_out == 1
    written = load_file(tmp_path / "mit.safetensors")
    assert written.keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in written.items())


def test_a_network_without_a_name(tmp_path: Path) -> None:
    state = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=2).state_dict()
    save_file(state, tmp_path / "vit.safetensors")
    result = CliRunner().invoke(
        app, ["convert", str(tmp_path / "vit.safetensors"), str(tmp_path / "new.safetensors")]
    )
    assert "model.backbone=vit takes any" in result.output
    assert load_file(tmp_path / "new.safetensors").keys() == state.keys()


def test_a_backbone_that_the_file_does_not_fit(mmcls: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    with pytest.raises(UserError, match=r"width 192.*the file fits model.backbone=vit_tiny_patch16_224"):
        convert_weights(mmcls, out, "vit_wee_patch16_reg1_gap_256")
    with pytest.raises(UserError, match=r"holds a plain ViT, but model.backbone is a MiT"):
        convert_weights(mmcls, out, "mit_b0")
    with pytest.raises(UserError, match="timm has no model named 'vit_tinny_patch16_224'"):
        convert_weights(mmcls, out, "vit_tinny_patch16_224")
    assert not out.exists()


def test_files_are_not_written_over(mmcls: Path, tmp_path: Path) -> None:
    out = tmp_path / "old.safetensors"
    out.write_bytes(b"precious")
    for force in (False, True):
        with pytest.raises(UserError, match=r"old.safetensors is there already, and is no weight file that"):
            convert_weights(mmcls, out, force=force)
    assert out.read_bytes() == b"precious"
    out.unlink()
    convert_weights(mmcls, out)
    with pytest.raises(UserError, match=r"old.safetensors exists; .* --force"):
        convert_weights(mmcls, out)
    with pytest.raises(UserError, match=r"give it a name like .*old.safetensors"):
        convert_weights(mmcls, tmp_path / "old.pth", force=True)
    done = convert_weights(mmcls, out, force=True)
    before = out.read_bytes()
    link: Any = tmp_path / "link.safetensors"
    link.symlink_to(out)
    for same in (out, link):
        with pytest.raises(UserError, match="is one of the files that are read"):
            convert_weights(out, same, force=True)
    assert out.read_bytes() == before
    assert done.tensors == len(load_file(out))


def test_a_missing_file_is_named_and_no_field_of_training(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no weight file \S+nowhere.pth$"):
        convert_weights(tmp_path / "nowhere.pth", tmp_path / "out.safetensors")
