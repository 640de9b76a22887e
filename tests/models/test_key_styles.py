"""Weights in every key style: features of ``transformers``' models, files as their publishers name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from timm.layers import SwiGLUPacked
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from s4former.config import UserError
from s4former.models import TimmBackbone, TimmConfig, load_backbone_weights
from s4former.models.candidates import find_backbones, name_weights
from s4former.models.keys import to_timm

transformers = pytest.importorskip("transformers")

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "layer_norm_eps": 1e-6,
}
KINDS = ["ViT", "DeiT", "Dinov2", "Dinov2WithRegisters"]


def hugging_face(kind: str, **changes: Any) -> nn.Module:
    """A tiny model of ``transformers`` with random weights, zeros and ones of its initialization included."""
    hidden = {"intermediate_size": 64} if kind in ("ViT", "DeiT") else {"mlp_ratio": 4}
    config = getattr(transformers, f"{kind}Config")(**(SIZES | hidden | changes))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: nn.Module = getattr(transformers, f"{kind}Model")(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model


def trunk(kind: str, image_size: int = 32, position: bool = False, **changes: Any) -> TimmBackbone:
    """Our backbone for it. ``position``: prefix tokens of their own have positions, or else none has."""
    registers = {"DeiT": 1, "Dinov2WithRegisters": 4}.get(kind, 0)
    scale = {"init_values": 1.0} if "Dinov2" in kind else {}
    no_class = {"no_embed_class": True} if registers == 4 and not position else {}
    options = {"embed_dim": 16, "depth": 3, "num_heads": 2, "reg_tokens": registers} | scale | no_class
    with torch.random.fork_rng():
        torch.manual_seed(1)
        vit = VisionTransformer(
            img_size=image_size, patch_size=8, num_classes=0, global_pool="", **(options | changes)
        )
    made = TimmBackbone(vit, TimmConfig(name="any", final_norm=True)).eval()
    made.keep((2,))
    return made


def assert_same_features(model: nn.Module, backbone: TimmBackbone) -> None:
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(images).last_hidden_state[:, backbone.num_prefix_tokens :]
        (features,) = backbone(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(features.flatten(2).transpose(1, 2), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_file", [True, False])
def test_features_of_hugging_face_models(tmp_path: Path, kind: str, as_file: bool) -> None:
    model, backbone = hugging_face(kind), trunk(kind)
    source: Any = model.state_dict()
    if as_file:  # the names on disk differ from those in memory since transformers 5
        model.save_pretrained(tmp_path)  # type: ignore[operator]
        source = tmp_path / "model.safetensors"
    report = load_backbone_weights(backbone, source)
    assert report.style == "huggingface"
    assert report.loaded == len(backbone.state_dict())
    assert_same_features(model, backbone)


def test_positions_of_registers_that_the_file_does_not_have() -> None:
    model, backbone = hugging_face("Dinov2WithRegisters"), trunk("Dinov2WithRegisters", position=True)
    load_backbone_weights(backbone, model.state_dict())
    assert backbone.num_prefix_positions == 5
    assert_same_features(model, backbone)


def test_features_of_swiglu_as_in_giant_dinov2() -> None:
    model = hugging_face("Dinov2", use_swiglu_ffn=True)
    backbone = trunk("Dinov2", mlp_layer=SwiGLUPacked, act_layer=nn.SiLU, mlp_ratio=6)
    load_backbone_weights(backbone, model.state_dict())
    assert_same_features(model, backbone)


def old_hugging_face(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Names as in the files on the hub."""
    replaced = [
        ("attention.q_proj", "attention.attention.query"),
        ("attention.k_proj", "attention.attention.key"),
        ("attention.v_proj", "attention.attention.value"),
        ("attention.o_proj", "attention.output.dense"),
    ]
    if "vit" in prefix or "deit" in prefix:
        replaced += [("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense")]
    renamed = {}
    for name, value in state.items():
        old = name
        for new_part, old_part in replaced:
            old = old.replace(new_part, old_part)
        if old.startswith("layers."):
            old = old.replace("layers.", "encoder.layer.", 1)
        renamed[prefix + old] = value
    return renamed


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("ViT", "vit."), ("DeiT", "deit."), ("Dinov2", "dinov2."), ("Dinov2WithRegisters", "")],
)
def test_names_of_files_on_the_hub(kind: str, prefix: str) -> None:
    model, backbone = hugging_face(kind), trunk(kind)
    state = old_hugging_face(dict(model.state_dict()), prefix) | {"classifier.weight": torch.zeros(2, 16)}
    assert any(key.endswith("0.attention.attention.query.weight") for key in state)
    load_backbone_weights(backbone, state)
    assert_same_features(model, backbone)


def official_dinov2(state: dict[str, Tensor], chunked: bool) -> dict[str, Tensor]:
    """A Hugging Face DINOv2 under the names, and with the joined projections, of its official code."""
    official: dict[str, Tensor] = {}
    for name, value in state.items():
        new = name.removeprefix("embeddings.").replace("patch_embeddings.projection", "patch_embed.proj")
        new = new.replace("position_embeddings", "pos_embed").replace("encoder.layer.", "blocks.")
        new = new.replace("layer_scale", "ls").replace("lambda1", "gamma").replace("layernorm", "norm")
        new = new.replace("attention.o_proj", "attn.proj").replace("mlp.down_proj", "mlp.w3")
        stem, _, last = new.rpartition(".")
        if stem.endswith(("k_proj", "v_proj", "up_proj")):
            continue
        if stem.endswith("q_proj"):
            value = torch.cat([state[name.replace("q_proj", f"{part}_proj")] for part in "qkv"])
            new = f"{stem.removesuffix('attention.q_proj')}attn.qkv.{last}"
        if stem.endswith("gate_proj"):
            value = torch.cat([value, state[name.replace("gate", "up")]])
            new = f"{stem.removesuffix('gate_proj')}w12.{last}"
        if chunked and new.startswith("blocks."):
            number = int(new.split(".")[1])
            new = f"blocks.{number // 2}.{new.removeprefix('blocks.')}"
        official[new] = value
    return official


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("kind", ["Dinov2", "Dinov2WithRegisters", "swiglu"])
def test_official_dinov2(tmp_path: Path, kind: str, chunked: bool, wrapped: bool) -> None:
    if kind == "swiglu":
        model, backbone = (
            hugging_face("Dinov2", use_swiglu_ffn=True),
            trunk("Dinov2", mlp_layer=SwiGLUPacked, act_layer=nn.SiLU, mlp_ratio=6),
        )
    else:
        model, backbone = hugging_face(kind), trunk(kind)
    state = official_dinov2(dict(model.state_dict()), chunked)
    content: Any = state
    if wrapped:  # as its training saves a teacher
        heads = {"dino_head.mlp.0.weight": torch.zeros(1), "ibot_head.mlp.0.weight": torch.zeros(1)}
        content = {"teacher": {f"backbone.{name}": value for name, value in state.items()} | heads}
    torch.save(content, tmp_path / "dinov2.pth")
    report = load_backbone_weights(backbone, tmp_path / "dinov2.pth")
    assert report.style == "dinov2"
    assert report.ignored == ("mask_token",)
    assert_same_features(model, backbone)


@pytest.mark.parametrize("kind", KINDS)
def test_positions_of_another_grid(kind: str) -> None:
    """As files made for 518 pixels (37 x 37 patches) in a network of another size."""
    model = hugging_face(kind, image_size=56)
    native, small = trunk(kind, 56), trunk(kind, 32)
    assert load_backbone_weights(native, model.state_dict()).resized_from is None
    assert load_backbone_weights(small, model.state_dict()).resized_from == (7, 7)
    prefix = small.num_prefix_positions
    grid = native.pos_embed[:, prefix:].unflatten(1, (7, 7)).permute(0, 3, 1, 2)
    expected = nn.functional.interpolate(grid, size=(4, 4), mode="bilinear", align_corners=False)
    torch.testing.assert_close(small.pos_embed[:, prefix:], expected.flatten(2).transpose(1, 2))
    assert torch.equal(small.pos_embed[:, :prefix], native.pos_embed[:, :prefix])
    # The trunk resizes positions on the fly by the same rule, so either way gives the same features.
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(small(images), native(images))


def test_a_distilled_token_has_to_have_a_place() -> None:
    state = hugging_face("DeiT").state_dict()
    plain = trunk("ViT")
    with pytest.raises(UserError, match=r"1 unexpected: reg_token.*1 registers; the backbone has width 16"):
        load_backbone_weights(plain, state)
    report = load_backbone_weights(plain, state, strict=False)
    assert report.unexpected == ("reg_token",)
    positions = state["embeddings.position_embeddings"]
    assert torch.equal(plain.pos_embed, torch.cat([positions[:, :1], positions[:, 2:]], dim=1))


def test_the_readmes_conversion_gives_a_file_that_loads(tmp_path: Path) -> None:
    """The authors' users run a snippet that renames keys and writes over ``pretrain/deit_base_p16.pth``."""
    backbone = trunk("ViT")
    original = mmcls_names(trunk("ViT", embed_dim=16).state_dict()) | {
        "head.layers.head.weight": torch.ones(2, 16)
    }
    path = tmp_path / "deit_base_p16.pth"
    torch.save({"meta": {"epoch": 300}, "state_dict": original}, path)
    assert load_backbone_weights(backbone, path).style == "mmcls"
    expected = {name: value.clone() for name, value in backbone.state_dict().items()}

    renamed = {}
    for key, value in torch.load(path, weights_only=True)["state_dict"].items():
        new = key.replace("backbone.", "") if key.startswith("backbone.") else key
        for old_part, new_part in (
            ("attn.qkv.weight", "attn.attn.in_proj_weight"),
            ("attn.qkv.bias", "attn.attn.in_proj_bias"),
            ("attn.proj.weight", "attn.attn.out_proj.weight"),
            ("attn.proj.bias", "attn.attn.out_proj.bias"),
        ):
            new = new.replace(old_part, new_part)
        renamed[new] = value
    torch.save(renamed, path)
    for parameter in backbone.parameters():
        parameter.data.zero_()
    report = load_backbone_weights(backbone, path)
    assert report.style == "mmseg"
    assert report.ignored == ("head.layers.head.weight",)
    assert all(torch.equal(value, expected[name]) for name, value in backbone.state_dict().items())


def mmcls_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    named = {}
    for name, value in state.items():
        new = name.replace("blocks.", "layers.").replace("patch_embed.proj", "patch_embed.projection")
        new = new.replace("norm1", "ln1").replace("norm2", "ln2").replace("mlp.fc1", "ffn.layers.0.0")
        new = new.replace("mlp.fc2", "ffn.layers.1")
        named["backbone." + ("ln1." + new.removeprefix("norm.") if new.startswith("norm.") else new)] = value
    return named


def test_a_teacher_goes_before_its_student_and_a_network_before_its_average() -> None:
    def one(value: float, prefix: str) -> dict[str, Tensor]:
        return {f"{prefix}blocks.0.attn.qkv.weight": torch.full((1,), value)}

    for state in (
        one(1, "student.backbone.") | one(2, "teacher.backbone."),
        one(1, "backbone_ema.") | one(2, "backbone."),
    ):
        found = name_weights(state, "FILE")
        assert found.tensors["blocks.0.attn.qkv.weight"].item() == 2
        assert found.outside == 1


@pytest.mark.parametrize(
    "name",
    [
        "layers.0.blocks.0.attn.qkv.weight",  # Swin
        "encoder.layers.0.blocks.0.attention.self.query.weight",
        "vision_model.encoder.layers.0.self_attn.q_proj.weight",  # CLIP
        "decoder_blocks.0.attn.qkv.weight",
        "block1.0.attn.q.weight",
    ],
)
def test_other_networks_are_no_plain_vits(name: str) -> None:
    assert all(one.is_mit for one in find_backbones({name: torch.zeros(1)}))


def test_timms_names_come_through_unchanged() -> None:
    names = trunk("Dinov2WithRegisters").state_dict()
    assert {to_timm(name) for name in names} == set(names)
    assert to_timm("fc_norm.weight") == "norm.weight"
    assert to_timm("dist_token") == "reg_token"


def test_single_precision_and_files_in_either_format(tmp_path: Path) -> None:
    model = hugging_face("ViT")
    model.half().save_pretrained(tmp_path)  # type: ignore[operator]
    named_wrongly = (tmp_path / "model.safetensors").rename(tmp_path / "vit.pth")
    assert load_file(named_wrongly)
    backbone = trunk("ViT")
    load_backbone_weights(backbone, named_wrongly)
    assert all(value.dtype == torch.float32 for value in backbone.state_dict().values())
