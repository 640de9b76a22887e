"""Trained networks from files of weights alone, in our layout and in the authors'."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small_networks import NUM_CLASSES, SIZES, tiny, tiny_config
from torch import Tensor

from s4former.config import UserError
from s4former.models import (
    MiTConfig,
    ModelConfig,
    ViTSegmenter,
    build_segmenter,
    load_checkpoint,
    segmenter_from_checkpoint,
)

AUXILIARY: Any = {"auxiliary": (0, 2)}
IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def authors(network: ViTSegmenter, ending: str = "") -> dict[str, Tensor]:
    """Its tensors by the names that the authors' code gives them."""
    named = {}
    for name, value in network.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "backbone":
            rest = rest.replace("blocks.", "layers.").replace("patch_embed.proj", "patch_embed.projection")
            rest = rest.replace("norm1", "ln1").replace("norm2", "ln2").replace("mlp.fc1", "ffn.layers.0.0")
            rest = rest.replace("mlp.fc2", "ffn.layers.1").replace("attn.proj", "attn.attn.out_proj")
            rest = rest.replace("attn.qkv.", "attn.attn.in_proj_")
        else:
            part = {"head": "decode_head", "auxiliary_heads": "auxiliary_head"}[part]
            number, _, tail = rest.partition(".")
            if part == "auxiliary_head":
                part, rest = f"{part}.{number}", tail
            rest = rest.replace("classifier.", "conv_seg.")
            if rest.startswith("stages."):
                _, index, layer, leaf = rest.split(".")
                rest = f"up_convs.{index}.0.{ {'conv': 'conv', 'norm': 'bn'}[layer] }.{leaf}"
        named[f"{part}{ending}.{rest}"] = value
    return named


def save_as_released(path: Path, state: dict[str, Tensor]) -> Path:
    torch.save({"meta": {"CLASSES": ("a", "b"), "iter": 7}, "state_dict": state, "optimizer": {}}, path)
    return path


@pytest.fixture
def student() -> ViTSegmenter:
    return tiny(1, **AUXILIARY).eval()


@pytest.fixture
def released(student: ViTSegmenter, tmp_path: Path) -> Path:
    """A checkpoint of a semi-supervised run: a student, and a teacher without auxiliary heads."""
    return save_as_released(tmp_path / "iter.pth", authors(student) | authors(tiny(2), "_ema"))


def assert_same(network: ViTSegmenter, expected: ViTSegmenter) -> None:
    assert not network.training
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGES), expected.eval()(IMAGES), rtol=0, atol=0)


def test_student_and_teacher_of_the_authors(released: Path, student: ViTSegmenter) -> None:
    config = tiny_config(**AUXILIARY, pretrained="nowhere.pth", frozen_blocks=3)
    loaded = segmenter_from_checkpoint(config, NUM_CLASSES, released)
    assert_same(loaded, student)
    assert len(loaded.auxiliary_heads) == 2
    teacher = segmenter_from_checkpoint(config, NUM_CLASSES, released, "teacher")
    assert_same(teacher, tiny(2))
    assert len(teacher.auxiliary_heads) == 0


def test_a_config_without_auxiliary_heads(released: Path, student: ViTSegmenter) -> None:
    loaded = segmenter_from_checkpoint(tiny_config(), NUM_CLASSES, released)
    assert_same(loaded, student)
    assert len(loaded.auxiliary_heads) == 0


def test_the_state_dict_alone(released: Path, student: ViTSegmenter) -> None:
    states = load_checkpoint(released)
    assert states["student"].keys() == student.state_dict().keys()
    tiny(0, **AUXILIARY).load_state_dict(states["student"])
    assert states["teacher"].keys() == tiny(2).state_dict().keys()


def test_a_supervised_run_has_no_teacher(student: ViTSegmenter, tmp_path: Path) -> None:
    path = save_as_released(tmp_path / "sup.pth", authors(student))
    assert list(load_checkpoint(path)) == ["student"]
    with pytest.raises(UserError, match=r"sup.pth holds no teacher; it has a student"):
        segmenter_from_checkpoint(tiny_config(), NUM_CLASSES, path, "teacher")


def test_a_teacher_alone(tmp_path: Path) -> None:
    path = save_as_released(tmp_path / "ema.pth", authors(tiny(2), "_ema"))
    assert list(load_checkpoint(path)) == ["teacher"]
    assert_same(segmenter_from_checkpoint(tiny_config(), NUM_CLASSES, path, "teacher"), tiny(2))


def test_something_else(tmp_path: Path) -> None:
    path = save_as_released(tmp_path / "else.pth", {"conv1.weight": torch.zeros(1)})
    with pytest.raises(
        UserError, match=r"holds no student in the authors' layout: .* found state_dict.conv1.weight"
    ):
        load_checkpoint(path)


def test_our_own_layout(tmp_path: Path) -> None:
    network = tiny(3)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    config = tiny_config(**AUXILIARY)
    assert_same(segmenter_from_checkpoint(config, NUM_CLASSES, tmp_path / "model.safetensors"), network)


def test_positions_of_another_grid(released: Path) -> None:
    wide = tiny_config(backbone=SIZES.model_copy(update={"image_size": (16, 32)}))
    loaded = segmenter_from_checkpoint(wide, NUM_CLASSES, released)
    assert loaded.backbone.grid == (4, 8)
    own = segmenter_from_checkpoint(tiny_config(), NUM_CLASSES, released)
    images = torch.rand(1, 3, 16, 32)
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), own(images))


@pytest.mark.parametrize(
    ("changes", "num_classes", "why"),
    [
        ({}, NUM_CLASSES + 1, r"2 of another shape: head.classifier.weight is \(3, 8, 1, 1\), the network's"),
        ({"head_num_convs": 1}, NUM_CLASSES, r"unexpected: head.stages.1.conv.weight"),
        (
            {"backbone": SIZES.model_copy(update={"depth": 4}), "out_indices": (3,)},
            NUM_CLASSES,
            r"12 missing: backb",
        ),
        (
            {"backbone": SIZES.model_copy(update={"embed_dim": 32})},
            NUM_CLASSES,
            r"of another shape: backbone.cls",
        ),
    ],
)
def test_another_network(released: Path, changes: Any, num_classes: int, why: str) -> None:
    with pytest.raises(UserError, match=why):
        segmenter_from_checkpoint(tiny_config(**changes), num_classes, released)


def segformer_config(**changes: Any) -> ModelConfig:
    sizes = MiTConfig(embed_dims=(4, 4, 8, 8), depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))
    return tiny_config(**({"backbone": sizes, "head": "segformer"} | changes))


# Our names of the two heads' layers, and theirs.
SEGFORMER_HEADS = {
    "segformer": {
        r"projections\.(\d)": lambda found: f"linear_c{int(found[1]) + 1}.proj",
        r"fuse": "linear_fuse.conv",
        r"norm": "linear_fuse.bn",
        r"classifier": "linear_pred",
    },
    "segformer_conv": {
        r"convs\.(\d)": r"convs.\1.conv",
        r"norms\.(\d)": r"convs.\1.bn",
        r"fuse": "fusion_conv.conv",
        r"norm": "fusion_conv.bn",
        r"classifier": "conv_seg",
    },
}


def authors_segformer(network: ViTSegmenter, ending: str = "") -> dict[str, Tensor]:
    """Its tensors by the names of SegFormer's authors, or of the release for the head ``segformer_conv``."""
    state = {}
    for name, value in network.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "head":
            for ours, theirs in SEGFORMER_HEADS[network.config.head.name].items():
                rest, found = re.subn(rf"^{ours}(?=\.)", theirs, rest)
                if found:
                    break
        state[f"{ {'backbone': 'backbone', 'head': 'decode_head'}[part] }{ending}.{rest}"] = value
    return state


@pytest.mark.parametrize("head", SEGFORMER_HEADS)
def test_a_segformer_of_the_authors(tmp_path: Path, head: Any) -> None:
    config = segformer_config(head=head)
    student, teacher = (build_segmenter(config, NUM_CLASSES, seed) for seed in (0, 1))
    state = authors_segformer(student) | authors_segformer(teacher, "_ema")
    path = save_as_released(tmp_path / "segformer.pth", state)
    images = torch.rand(1, 3, 32, 32)
    for name, own in (("student", student), ("teacher", teacher)):
        loaded = segmenter_from_checkpoint(config, NUM_CLASSES, path, name)
        with torch.no_grad():
            torch.testing.assert_close(loaded(images), own.eval()(images), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("head", "asked", "advice"),
    [
        ("segformer_conv", {"head": "segformer"}, "model.head=segformer_conv model.head.channels=8"),
        ("segformer_conv", {"head_channels": 16}, "model.head=segformer_conv model.head.channels=8"),
        ("segformer", {"head": "segformer_conv"}, "model.head=segformer model.head.channels=8"),
    ],
)
def test_a_segformer_with_the_other_head_is_told_which(
    tmp_path: Path, head: str, asked: dict[str, Any], advice: str
) -> None:
    own = build_segmenter(segformer_config(head=head), NUM_CLASSES, seed=0)
    path = save_as_released(tmp_path / "segformer.pth", authors_segformer(own))
    with pytest.raises(UserError, match=re.escape(advice)):
        segmenter_from_checkpoint(segformer_config(**({"head": head} | asked)), NUM_CLASSES, path)
