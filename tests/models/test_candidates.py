"""Which transformer of a file is taken, and what is said where nothing tells."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
from small_networks import tiny, tiny_config
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from typer.testing import CliRunner

from s4former.cli.main import app
from s4former.config import UserError, validated
from s4former.models import (
    ModelConfig,
    TimmBackbone,
    TimmConfig,
    build_segmenter,
    convert_weights,
    load_backbone_weights,
)
from s4former.models.candidates import find_backbones, name_weights

State = dict[str, Tensor]


def vit(value: float = 0.0) -> State:
    """A backbone whose class token tells it from others."""
    state = dict(tiny(1, final_norm=True).backbone.state_dict())
    return state | {"cls_token": torch.full_like(state["cls_token"], value)}


def under(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def blocks(state: State) -> State:
    return {name: value for name, value in state.items() if name.startswith("blocks.")}


def taken(state: State, part: str | None = None) -> float:
    backbone = tiny(0).backbone
    load_backbone_weights(backbone, state, part=part)
    return float(backbone.state_dict()["cls_token"].mean())


@pytest.mark.parametrize("decoder", ["decoder.", "a_decoder.", "mae.decoder.net."])
def test_a_decoder_has_no_patch_embedding(decoder: str) -> None:
    assert taken(under(decoder, blocks(vit())) | under("encoder.", vit(2))) == 2
    assert taken(under(decoder, blocks(vit())) | vit(3)) == 3


@pytest.mark.parametrize(
    ("loser", "winner"),
    [
        ("student.backbone.", "teacher.backbone."),
        ("backbone_ema.", "backbone."),
        ("ema_model.", "model."),
        ("ema.", "model."),
        ("state_dict_ema.module.", "state_dict."),
        ("semantic_ema.", "semantic."),
    ],
)
def test_students_and_averages_give_way_and_that_is_said(
    loser: str, winner: str, caplog: pytest.LogCaptureFixture
) -> None:
    for state in (under(loser, vit(1)) | under(winner, vit(2)), under(winner, vit(2)) | under(loser, vit(1))):
        with caplog.at_level(logging.WARNING):
            assert taken(state) == 2
        assert f"model.pretrained_part={loser.rstrip('.')} takes the other" in caplog.text
        assert taken(state, loser.rstrip(".")) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("depth.", "semantic."),  # "ema" is in "semantic", and is no part of it
        ("pretrained.", "semantic."),
        ("depth_ema.", "semantic."),  # not the average of the other
        ("left.backbone.", "right.backbone."),
    ],
)
def test_several_transformers_are_listed_for_a_choice(one: str, other: str) -> None:
    state = under(one, vit(1)) | under(other, vit(2))
    with pytest.raises(UserError) as error:
        taken(state)
    options = re.findall(r"model\.pretrained_part=(\S+)", str(error.value))
    assert options == [one.rstrip("."), other.rstrip(".")]
    assert "a ViT with width 16, patches of 4 pixels, 3 blocks" in str(error.value)
    assert [taken(state, option) for option in options] == [1, 2]
    with pytest.raises(UserError, match=r"model.pretrained_part=nobody names none of them"):
        taken(state, "nobody")


def test_one_at_the_top() -> None:
    state = vit(1) | under("other.", vit(2))
    with pytest.raises(UserError, match=r"model.pretrained_part=\. or model.pretrained_part=other"):
        taken(state)
    assert [taken(state, part) for part in (".", "other")] == [1, 2]


def test_a_part_of_the_name_is_enough_if_it_is_a_whole_one() -> None:
    state = under("nets.depth.backbone.", vit(1)) | under("nets.semantic.backbone.", vit(2))
    assert taken(state, "semantic") == 2
    assert taken(state, "depth.backbone") == 1
    for part in ("mantic", "nets"):
        with pytest.raises(UserError, match=f"{part} names (none|2) of them"):
            taken(state, part)


def test_the_choice_in_a_config_and_on_the_command_line(tmp_path: Path) -> None:
    path, out = tmp_path / "two.safetensors", tmp_path / "one.safetensors"
    save_file(under("depth.", vit(1)) | under("semantic.", vit(2)), path)
    built = build_segmenter(tiny_config(pretrained=str(path), pretrained_part="semantic"), 3, 0)
    assert built.backbone.state_dict()["cls_token"].mean() == 2
    with pytest.raises(UserError, match="--part depth or --part semantic"):
        convert_weights(path, out)
    result = CliRunner().invoke(app, ["convert", str(path), str(out), "--part", "depth"])
    assert result.exit_code == 0, result.output
    assert load_file(out)["cls_token"].mean() == 1
    with pytest.raises(UserError, match="pretrained_part chooses among the networks in a file"):
        validated(ModelConfig, {"pretrained_part": "depth"}, "model")


def test_two_mits_are_listed_too() -> None:
    mit = {"patch_embed1.proj.weight": torch.zeros(4, 3, 7, 7)}
    with pytest.raises(UserError, match=r"2 transformers: depth \(a MiT\); semantic \(a MiT\)"):
        name_weights(under("depth.", mit) | under("semantic.", mit), "FILE")
    assert [one.is_mit for one in find_backbones(under("backbone.", mit) | under("vit.", vit()))] == [
        True,
        False,
    ]


def dinov3(kind: str, folder: Path) -> Any:
    if kind == "timm":
        return dict(timm.create_model("vit_small_patch16_dinov3", num_classes=0, depth=1).state_dict())
    if kind == "official":
        names = {
            "storage_tokens": (1, 4, 16),
            "rope_embed.periods": (4,),
            "blocks.0.attn.qkv.bias_mask": (48,),
        }
        state = {name: value for name, value in vit().items() if name != "pos_embed"}
        return state | {name: torch.zeros(shape) for name, shape in names.items()}
    config = transformers.DINOv3ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    model = transformers.DINOv3ViTModel(config)
    if kind == "in memory":
        return model.state_dict()
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("kind", ["timm", "official", "in memory", "folder"])
def test_rotary_positions_are_said_to_be_foreign(tmp_path: Path, kind: str, strict: bool) -> None:
    with pytest.raises(UserError, match=r"without learned positions .*DINOv3.*type|model.pretrained=hub"):
        load_backbone_weights(tiny(0).backbone, dinov3(kind, tmp_path / "v3"), strict=strict)


def jax_arrays(vit: VisionTransformer, scanned: bool) -> dict[str, np.ndarray]:
    """A network's values by the names, and in the layout, of Google's code."""
    heads, state = vit.blocks[0].attn.num_heads, {k: v.numpy() for k, v in vit.state_dict().items()}
    arrays = {
        "embedding/kernel": state["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "cls": state["cls_token"],
        "Transformer/posembed_input/pos_embedding": state["pos_embed"],
        "head/kernel": np.zeros((vit.embed_dim, 5), np.float32),
    }
    for name in ("scale", "bias"):
        arrays[f"Transformer/encoder_norm/{name}"] = state[f"norm.{name.replace('scale', 'weight')}"]
    inner: list[dict[str, np.ndarray]] = []
    for number in range(len(vit.blocks)):
        own = {k.removeprefix(f"blocks.{number}."): v for k, v in state.items() if f"blocks.{number}." in k}
        block: dict[str, np.ndarray] = {}
        for part, theirs in (("norm1", "LayerNorm_0"), ("norm2", "LayerNorm_2")):
            block |= {f"{theirs}/scale": own[f"{part}.weight"], f"{theirs}/bias": own[f"{part}.bias"]}
        attention = "MultiHeadDotProductAttention_1"
        weights, biases = np.split(own["attn.qkv.weight"], 3), np.split(own["attn.qkv.bias"], 3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            block[f"{attention}/{part}/kernel"] = weight.T.reshape(vit.embed_dim, heads, -1)
            block[f"{attention}/{part}/bias"] = bias.reshape(heads, -1)
        block[f"{attention}/out/kernel"] = own["attn.proj.weight"].T.reshape(heads, -1, vit.embed_dim)
        block[f"{attention}/out/bias"] = own["attn.proj.bias"]
        for part, theirs in (("fc1", "Dense_0"), ("fc2", "Dense_1")):
            block[f"MlpBlock_3/{theirs}/kernel"] = own[f"mlp.{part}.weight"].T
            block[f"MlpBlock_3/{theirs}/bias"] = own[f"mlp.{part}.bias"]
        inner.append(block)
    if scanned:
        return arrays | {
            f"Transformer/encoderblock/{k}": np.stack([one[k] for one in inner]) for k in inner[0]
        }
    return arrays | {
        f"Transformer/encoderblock_{i}/{k}": v for i, one in enumerate(inner) for k, v in one.items()
    }


@pytest.mark.parametrize("scanned", [False, True])
@pytest.mark.parametrize("prefix", ["", "opt/target/", "params/img/"])
def test_npz_of_jax_gives_what_timm_reads_from_it(tmp_path: Path, prefix: str, scanned: bool) -> None:
    sizes: Any = {
        "img_size": 32,
        "patch_size": 8,
        "embed_dim": 16,
        "depth": 2,
        "num_heads": 2,
        "num_classes": 0,
    }
    own = VisionTransformer(**sizes)
    for parameter in own.parameters():
        torch.nn.init.normal_(parameter)
    arrays = jax_arrays(own, scanned)
    np.savez(tmp_path / "vit.npz", **{prefix + name: value for name, value in arrays.items()})
    if not prefix and not scanned:  # big_vision's layout needs JAX in timm
        theirs = VisionTransformer(**sizes)
        theirs.load_pretrained(str(tmp_path / "vit.npz"))
        assert all(torch.equal(value, own.state_dict()[name]) for name, value in theirs.state_dict().items())
    vit = VisionTransformer(**sizes, global_pool="")
    backbone = TimmBackbone(vit, TimmConfig(name="any", final_norm=True))
    report = load_backbone_weights(backbone, tmp_path / "vit.npz")
    assert report.style == "jax"
    assert [name.split(".")[0] for name in report.ignored + report.unexpected] in ([], ["head"])
    assert all(torch.equal(value, own.state_dict()[name]) for name, value in backbone.state_dict().items())


def test_an_npz_of_objects_is_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "vit.npz", a=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match=r"vit.npz can't be read"):
        load_backbone_weights(tiny(0).backbone, tmp_path / "vit.npz")


def test_our_own_models_are_folders_with_weights(tmp_path: Path) -> None:
    network = tiny(3)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "model.json").write_text(json.dumps({"format": 1}))
    backbone = tiny(0).backbone
    load_backbone_weights(backbone, tmp_path)
    assert torch.equal(backbone.state_dict()["pos_embed"], network.backbone.state_dict()["pos_embed"])
