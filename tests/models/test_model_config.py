"""The config of a network says which fields disagree; whatever fits together may be composed."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
import torch
from small_networks import SIZES, TINY_MIT, tiny, tiny_config

from s4former.config import UserError
from s4former.config.override import override
from s4former.engine import Run
from s4former.models import (
    BACKBONES,
    HEADS,
    MiTConfig,
    ModelConfig,
    SETRPUPConfig,
    TimmConfig,
    ViTConfig,
    build_segmenter,
)
from s4former.models.heads.configs.base import evenly


def test_defaults_are_a_complete_network() -> None:
    config = ModelConfig()
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


def test_null_and_none_are_the_same_start() -> None:
    assert tiny_config(pretrained=None) == tiny_config(pretrained="none")


def test_a_bare_name_is_enough() -> None:
    config = ModelConfig.model_validate({"backbone": "deit_tiny_patch16_224", "head": "linear"})
    assert config.backbone == TimmConfig(name="deit_tiny_patch16_224")
    assert config.head == HEADS.parse("linear")
    tagged = BACKBONES.parse("vit_small_patch14_dinov2.lvd142m")
    assert tagged == TimmConfig(name="vit_small_patch14_dinov2.lvd142m")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"out_indices": (0, 1)}, "use model.head=linear"),
        ({"out_indices": ()}, "at least 1"),
        ({"out_indices": 3}, "valid tuple"),
        ({"std": (0.2, 0.0, 0.2)}, "above 0"),
        ({"head": "pup"}, "there is no segmentation head 'pup'; there are dpt, linear.*setr_pup"),
        ({"frozen_blocks": -1}, "frozen_blocks"),
        ({"drop_path": 1.0}, "less than 1"),
        ({"backbone": TINY_MIT, "biased_stages": (4,)}, "less than or equal to 3"),
        ({"pretrained_part": "teacher"}, "pretrained=none"),
    ],
)
def test_fields_that_disagree(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        tiny_config(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_size": (16, 18)}, "multiples of patch_size=4"),
        ({"image_size": (0, 16)}, "multiples of patch_size=4"),
        ({"num_heads": 3}, "does not divide into num_heads=3"),
    ],
)
def test_sizes_that_do_not_divide(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        ViTConfig(**(SIZES.model_dump() | changes))
    with pytest.raises(pydantic.ValidationError, match="do not divide into num_heads"):
        MiTConfig(embed_dims=(4, 8, 12, 15))


def test_a_published_mit_has_its_sizes_and_another_takes_its_own() -> None:
    config = BACKBONES.parse("mit_b2")
    assert (config.widths, config.blocks) == ((64, 128, 320, 512), (3, 4, 6, 3))
    run, _ = override(Run(), ["model=segformer_b2", "model.backbone=mit_b0"])
    assert run.model.backbone == MiTConfig(name="mit_b0", drop_path=0.1)
    with pytest.raises(UserError, match="no model named 'mit_b6'"):
        BACKBONES.parse("mit_b6").build(3)


@pytest.mark.parametrize("name", ["vit", "mit", "mit_b0"])
def test_the_hub_has_no_weights_of_ours(name: str) -> None:
    config = ModelConfig.model_validate({"backbone": name, "pretrained": "hub"})
    with pytest.raises(UserError, match=f"no weights of '{name}'.*`none`"):
        build_segmenter(config, 2, seed=0)


@pytest.mark.parametrize("head", ["linear", "setr_pup", "segformer", "segformer_conv"])
@pytest.mark.parametrize("backbone", [SIZES, TINY_MIT])
def test_any_head_sees_any_backbone(backbone: Any, head: str) -> None:
    network = tiny(backbone=backbone, head=head, auxiliary=(0,)).train()
    side = 2 * network.patch_size
    features = network.encode(torch.rand(2, 3, side, 2 * side))
    logits = [network.decode(features, (50, 70)), *network.decode_auxiliary(features, (50, 70))]
    assert [tuple(one.shape) for one in logits] == [(2, 3, 50, 70)] * 2
    sum(one.square().mean() for one in logits).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_linear_head_joins_stages_at_the_finest_grid() -> None:
    network = tiny(backbone=TINY_MIT, head="linear", out_indices=(1, 3)).eval()
    grids = network.encode(torch.rand(1, 3, 64, 64))
    alone = torch.nn.functional.interpolate(
        network.head.norms[1](grids[1].permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        grids[0].shape[-2:],
        mode="bilinear",
    )
    joined = torch.cat(
        [network.head.norms[0](grids[0].permute(0, 2, 3, 1)), alone.permute(0, 2, 3, 1)], dim=-1
    )
    expected = network.head.classifier(joined).permute(0, 3, 1, 2)
    torch.testing.assert_close(network.decode(grids, (8, 8)), expected)


def test_what_heads_look_at_if_nothing_is_said() -> None:
    assert SETRPUPConfig().indices(12) == (11,)
    assert HEADS.parse("segformer").indices(4) == (0, 1, 2, 3)
    assert HEADS.parse("segformer").indices(12) == (2, 5, 8, 11)
    assert evenly(2, 4) == (0, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("model.head.dropout=0.2", "model.head=setr_pup has no field dropout.*segformer"),
        ("model.head_channels=8", "did you mean model.head.channels"),
        ("model.head=my_project.my_head", "cannot be imported.*PYTHONPATH"),
        ("model.backbone.depth=3", "it is one of vit"),
    ],
)
def test_overrides_say_what_to_type(change: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        override(Run(), [change])


def test_another_head_keeps_what_it_looks_at() -> None:
    run, notes = override(Run(), ["model.head.channels=8", "model.head.out_indices=[3]"])
    run, notes = override(run, ["model.head=linear", "model.backbone=mit_b0"])
    assert run.model.head == HEADS.config_class("linear")(out_indices=(3,))
    assert notes == ["model.head.name=linear has no channels: dropped"]
    whole, _ = override(Run(), {"model.head": {"name": "linear", "out_indices": [1]}})
    assert whole.model.head == HEADS.config_class("linear")(out_indices=(1,))


def test_a_file_of_the_package_is_a_name() -> None:
    assert {"dpt", "linear", "segformer", "setr_pup"} <= set(HEADS.names())
    assert BACKBONES.names() == ["mit", "timm", "vit"]
