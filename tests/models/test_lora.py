"""LoRA: what is added, what learns, and what is left in a saved network."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small_networks import NUM_CLASSES, TINY_MIT, tiny

from s4former.config import UserError
from s4former.inference import init_weights_from
from s4former.models import ModelConfig, ViTSegmenter, build_segmenter, faster_on_cpu, rebuild_segmenter
from s4former.models.lora import LowRank, lora_parameters

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LORA: dict[str, Any] = {"lora": {"rank": 2, "alpha": 6}}


def moved(network: ViTSegmenter) -> ViTSegmenter:
    """As training leaves it: both thin maps are something."""
    generator = torch.Generator().manual_seed(1)
    for parameter in lora_parameters(network.backbone):
        parameter.data.normal_(generator=generator)
    return network.eval()


@pytest.mark.parametrize("changes", [{}, {"backbone": TINY_MIT, "head": "segformer"}], ids=["vit", "mit"])
def test_at_first_it_changes_nothing_and_only_it_learns(changes: dict[str, Any]) -> None:
    images = torch.rand(2, 3, 32, 32)
    plain, network = tiny(**changes).eval(), tiny(**changes, **LORA).eval()
    assert torch.equal(network(images), plain(images))
    network.train()(images).square().mean().backward()
    groups = network.parameter_groups()
    learned = {id(p) for group in groups.values() for p in group}
    assert groups["backbone"] == []
    assert groups["lora"]
    for name, parameter in network.named_parameters():
        expected = "lora" in name or name.startswith("head.")
        assert parameter.requires_grad == expected == (id(parameter) in learned), name
        assert (parameter.grad is not None) == expected, name


@pytest.mark.parametrize("fast", [False, True])
def test_what_is_saved_is_a_plain_network(fast: bool) -> None:
    network = moved(tiny(auxiliary=(0,), **LORA))
    if fast:
        faster_on_cpu(network)
    config, state = network.for_inference()
    assert config.lora.rank == 0
    saved = rebuild_segmenter(config, NUM_CLASSES, state)
    assert not any(isinstance(layer, LowRank) for layer in saved.modules())
    with torch.no_grad():
        torch.testing.assert_close(saved(IMAGES), network(IMAGES), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(saved(IMAGES), tiny().eval()(IMAGES))


def test_the_change_is_alpha_over_rank_times_the_product() -> None:
    network = moved(tiny(**LORA))
    layer = network.backbone.trunk[0].attn.qkv
    expected = layer.weight + 3 * layer.lora.up @ layer.lora.down
    _, state = network.for_inference()
    torch.testing.assert_close(state["backbone.blocks.0.attn.qkv.weight"], expected.detach())


def test_a_copy_has_changes_of_its_own() -> None:
    network = moved(tiny(**LORA))
    with torch.no_grad():
        before, teacher = network(IMAGES), copy.deepcopy(network)
        for parameter in lora_parameters(teacher.backbone):
            parameter.mul_(2)
        assert torch.equal(network(IMAGES), before)
        assert not torch.allclose(teacher(IMAGES), before)


def test_frozen_blocks_have_none() -> None:
    network = tiny(frozen_blocks=1, **LORA)
    with_changes = [any(isinstance(m, LowRank) for m in block.modules()) for block in network.backbone.trunk]
    assert with_changes == [False, True, True]
    for frozen in (3, "all"):
        with pytest.raises(UserError, match=r"lora.rank=2 has no attention to change: all 3 blocks"):
            tiny(frozen_blocks=frozen, **LORA)


def test_weights_are_loaded_below_the_changes(tmp_path: Path) -> None:
    path = tmp_path / "trained.safetensors"
    trained = tiny(5)
    save_file(trained.state_dict(), path)
    network = tiny(0, **LORA)
    init_weights_from(network, network.config, path)
    assert torch.equal(network.eval()(IMAGES), trained.eval()(IMAGES))
    backbone = {key.removeprefix("backbone."): value for key, value in trained.backbone.state_dict().items()}
    save_file(backbone, path)
    again = tiny(0, pretrained=str(path), **LORA)
    assert torch.equal(again.backbone.trunk[0].attn.qkv.weight, trained.backbone.trunk[0].attn.qkv.weight)


def test_eva_which_passes_by_its_layer_learns_too() -> None:
    backbone = {"name": "eva02_tiny_patch14_224", "image_size": [28, 28]}
    head = {"name": "linear", "out_indices": [0]}
    config = ModelConfig.model_validate({"backbone": backbone, "head": head, **LORA})
    plain = build_segmenter(config.model_copy(update={"lora": type(config.lora)()}), NUM_CLASSES, 0).eval()
    network, images = build_segmenter(config, NUM_CLASSES, 0).eval(), torch.rand(1, 3, 28, 28)
    torch.testing.assert_close(network(images), plain(images), rtol=1e-5, atol=1e-5)
    moved(network)(images).square().mean().backward()
    assert all(p.grad is not None for p in lora_parameters(network.backbone))
    saved = rebuild_segmenter(*network.for_inference()[:1], NUM_CLASSES, network.for_inference()[1])
    torch.testing.assert_close(saved(images), network(images), rtol=1e-5, atol=1e-5)


def test_a_wholly_frozen_backbone() -> None:
    network = tiny(head="linear", final_norm=True, frozen_blocks="all")
    assert network.parameter_groups()["backbone"] == []
    assert not network.encode(IMAGES)[0].requires_grad
    assert network(IMAGES).requires_grad
    network.drop_auxiliary_heads()
    assert network.config.frozen_blocks == "all"
    assert network.for_inference()[0].frozen_blocks == 0
