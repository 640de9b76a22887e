"""MiT weights in each code base's naming become the official ones, and the same features."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from published_segformer import awake_segformer
from safetensors.torch import load_file
from small_networks import NUM_CLASSES, TINY_MIT, tiny_segformer
from torch import Tensor

from s4former.config import UserError
from s4former.models.mit_keys import mit_style, to_mit, to_segformer

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def official() -> State:
    """An encoder as in ``mit_b0.pth``: our own names are the official ones."""
    torch.manual_seed(0)
    return TINY_MIT.build(3).state_dict()


def renamed(state: State, *rules: tuple[str, str]) -> State:
    def name(key: str) -> str:
        for pattern, replacement in rules:
            key = re.sub(pattern, replacement, key)
        return re.sub(r"<(\d)>", lambda match: str(int(match[1]) - 1), key)

    return {name(key): value for key, value in state.items()}


def in_mmseg(official: State) -> State:
    """Names of mmseg: packed attention, and the hidden layer's matrices as 1x1 convolutions."""
    state: State = {}
    for key, value in official.items():
        stem, _, last = key.rpartition(".")
        if stem.endswith("attn.q"):
            state[f"{stem[:-1]}attn.in_proj_{last}"] = torch.cat([value, official[f"{stem[:-1]}kv.{last}"]])
        elif re.search(r"mlp\.fc[12]\.weight", key):
            state[key] = value[..., None, None]
        elif not stem.endswith("attn.kv"):
            state[key] = value
    return renamed(
        state,
        (r"^patch_embed(\d)\.", r"layers.<\1>.0."),
        (r"^block(\d)\.", r"layers.<\1>.1."),
        (r"^norm(\d)\.", r"layers.<\1>.2."),
        (r"^(layers\.<\d>\.0)\.proj\.", r"\1.projection."),
        (r"\.attn\.proj\.", ".attn.attn.out_proj."),
        (r"\.mlp\.fc1\.", ".ffn.layers.0."),
        (r"\.mlp\.dwconv\.dwconv\.", ".ffn.layers.1."),
        (r"\.mlp\.fc2\.", ".ffn.layers.4."),
    )


def in_hub_style(official: State) -> State:
    """Names in the files of ``nvidia/mit-b*``: keys and values apart."""
    state: State = {}
    for key, value in official.items():
        stem, _, last = key.rpartition(".")
        if stem.endswith("attn.kv"):
            state[f"{stem[:-2]}k.{last}"], state[f"{stem[:-2]}v.{last}"] = value.chunk(2)
        else:
            state[key] = value
    return renamed(
        state,
        (r"^patch_embed(\d)\.norm\.", r"encoder.patch_embeddings.<\1>.layer_norm."),
        (r"^patch_embed(\d)\.", r"encoder.patch_embeddings.<\1>."),
        (r"^norm(\d)\.", r"encoder.layer_norm.<\1>."),
        (r"^block(\d)\.", r"encoder.block.<\1>."),
        (r"\.norm([12])\.", r".layer_norm_\1."),
        (r"\.attn\.norm\.", ".attention.self.layer_norm."),
        (r"\.attn\.sr\.", ".attention.self.sr."),
        (r"\.attn\.q\.", ".attention.self.query."),
        (r"\.attn\.k\.", ".attention.self.key."),
        (r"\.attn\.v\.", ".attention.self.value."),
        (r"\.attn\.proj\.", ".attention.output.dense."),
        (r"\.mlp\.fc([12])\.", r".mlp.dense\1."),
    )


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def assert_same(one: State | None, other: State) -> None:
    assert one is not None
    assert one.keys() == other.keys()
    for key, value in other.items():
        assert torch.equal(one[key], value), key


@pytest.mark.parametrize("prefix", ["", "backbone.", "module.backbone.", "module."])
def test_official_names(official: State, prefix: str) -> None:
    head = {"head.weight": torch.zeros(2, 16), "head.bias": torch.zeros(2)} if not prefix else {}
    state = prefixed(prefix, official) | head
    assert mit_style(state) == "official"
    assert_same(to_mit(state), official)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_names_of_mmseg(official: State, prefix: str) -> None:
    state = prefixed(prefix, in_mmseg(official))
    assert "layers.1.1.1.attn.attn.in_proj_weight" in in_mmseg(official)
    assert mit_style(state) == "mmseg"
    assert_same(to_mit(state), official)


@pytest.mark.parametrize("prefix", ["", "segformer."])
def test_names_of_the_hub(official: State, prefix: str) -> None:
    state = prefixed(prefix, in_hub_style(official)) | {"classifier.weight": torch.zeros(2, 16)}
    assert mit_style(state) == "hf"
    assert_same(to_mit(state), official)


def test_what_transformers_holds_and_writes(tmp_path: Path) -> None:
    """Its own names differ from those it writes; both are read, and give the weights that it uses."""
    network = awake_segformer(TINY_MIT, 8, NUM_CLASSES)
    network.save_pretrained(tmp_path)
    written = load_file(tmp_path / "model.safetensors")
    assert "segformer.encoder.block.0.0.attention.self.query.weight" in written
    assert_same(to_mit(written), to_mit(network.state_dict()) or {})
    assert_same(to_mit(written), to_mit(network.segformer.state_dict()) or {})
    assert_same(to_segformer(written), to_segformer(network.state_dict()))


def test_whole_networks_give_their_encoder_alone(official: State) -> None:
    rest = {
        "decode_head.conv_seg.weight": torch.zeros(2, 8, 1, 1),
        "backbone_ema.patch_embed1.proj.weight": torch.zeros(1),
        "epoch_counter": torch.zeros(1),
    }
    for state in (official, in_mmseg(official)):
        assert_same(to_mit(prefixed("backbone.", state) | rest), official)


def test_a_whole_network_of_the_authors(official: State) -> None:
    """``segformer.b*.pth``: its head counts from 1, and carries a classifier that nothing uses."""
    ours = tiny_segformer(seed=4).state_dict()
    head = {key.removeprefix("head."): value for key, value in ours.items() if key.startswith("head.")}
    theirs = renamed(
        head,
        (r"^fuse\.", "linear_fuse.conv."),
        (r"^norm\.", "linear_fuse.bn."),
        (r"^classifier\.", "linear_pred."),
        *[(rf"^projections\.{stage}\.", f"linear_c{stage + 1}.proj.") for stage in range(4)],
    )
    state = prefixed("backbone.", official) | prefixed("decode_head.", theirs)
    state["decode_head.conv_seg.weight"] = torch.zeros(3, 8, 1, 1)
    expected = ours | prefixed("backbone.", official)
    assert_same(to_segformer(state), expected)


def test_unknown_names_stay_to_be_complained_of(official: State) -> None:
    state = to_mit(official | {"block1.0.extra": torch.zeros(1)})
    assert state is not None
    assert "block1.0.extra" in state


def test_other_networks_are_none(official: State) -> None:
    for key in ("blocks.0.attn.qkv.weight", "layers.0.attn.attn.in_proj_weight", "layer1.0.conv1.weight"):
        assert mit_style({key: torch.zeros(1)}) is None
        assert to_mit({key: torch.zeros(1)}) is None
    with pytest.raises(UserError, match="holds no SegFormer"):
        to_segformer({"layer1.0.conv1.weight": torch.zeros(1)})
    with pytest.raises(UserError, match="holds no SegFormer"):
        to_segformer(official)


def test_a_whole_network_of_mmseg_and_of_the_release(official: State) -> None:
    """Their head has convolutions, batch norms and ReLUs, and its classifier another name."""
    ours = tiny_segformer(seed=4, head="segformer_conv").state_dict()
    theirs = renamed(
        {key.removeprefix("head."): value for key, value in ours.items() if key.startswith("head.")},
        (r"^fuse\.", "fusion_conv.conv."),
        (r"^norm\.", "fusion_conv.bn."),
        (r"^classifier\.", "conv_seg."),
        (r"^convs\.(\d)\.", r"convs.\1.conv."),
        (r"^norms\.(\d)\.", r"convs.\1.bn."),
    )
    assert "convs.3.bn.running_var" in theirs
    state = prefixed("backbone.", in_mmseg(official)) | prefixed("decode_head.", theirs)
    assert_same(to_segformer(state), ours | prefixed("backbone.", official))
