"""Parameter groups, learning rates and clipping."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from s4former.engine import OptimizerConfig, build_optimizer, set_learning_rate
from s4former.engine.optim import clip_gradients
from s4former.models import ModelConfig, ViTSegmenter, build_segmenter
from s4former.ops import poly
from tiny_run import tiny_run


@pytest.fixture
def network() -> ViTSegmenter:
    return build_segmenter(tiny_run(Path(), {"model.frozen_blocks": 1}).model, 3, seed=0)


def test_every_trained_parameter_is_in_one_group_and_frozen_ones_in_none(network: ViTSegmenter) -> None:
    optimizer = build_optimizer(OptimizerConfig(weight_decay=0.1), network)
    grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in network.parameters() if p.requires_grad)
    assert len(grouped) < len(list(network.parameters()))


def test_norms_biases_tokens_and_positions_do_not_decay(network: ViTSegmenter) -> None:
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    optimizer = build_optimizer(OptimizerConfig(weight_decay=0.1), network)
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    names = {name: decays[id(p)] for name, p in network.named_parameters() if id(p) in decays}
    for name, decay in names.items():
        plain = name.endswith("bias") or "norm" in name or name.endswith(("pos_embed", "cls_token"))
        assert decay == (0.0 if plain else 0.1), name
    assert {0.0, 0.1} == set(names.values())


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_head_learns_faster_by_its_factor(network: ViTSegmenter, name: str) -> None:
    optimizer = build_optimizer(OptimizerConfig(name=name, lr=0.01, head_lr_factor=4), network)
    assert {group["name"]: group["base_lr"] for group in optimizer.param_groups} == {
        "backbone": 0.01,
        "head": 0.04,
    }


def test_the_momentum_is_that_of_sgd_and_the_first_one_of_adamw(network: ViTSegmenter) -> None:
    sgd, adamw = (
        build_optimizer(OptimizerConfig(name=name, momentum=0.8), network) for name in ("sgd", "adamw")
    )
    assert [group["momentum"] for group in sgd.param_groups] == [0.8] * len(sgd.param_groups)
    assert [group["betas"] for group in adamw.param_groups] == [(0.8, 0.999)] * len(adamw.param_groups)


def test_rates_follow_the_schedule_and_the_warmup(network: ViTSegmenter) -> None:
    config = OptimizerConfig(lr=0.01, head_lr_factor=10, min_lr=1e-4, power=0.9, warmup_steps=4)
    optimizer = build_optimizer(config, network)
    for step in (0, 3, 50, 99):
        rates = set_learning_rate(optimizer, config, step, 100)
        warmup = min(1, (step + 1) / 4)
        assert rates["backbone"] == pytest.approx(warmup * poly(step, 100, 0.01, 1e-4, 0.9), rel=1e-12)
        assert rates["head"] == pytest.approx(warmup * poly(step, 100, 0.1, 1e-4, 0.9), rel=1e-12)
        assert {group["name"]: group["lr"] for group in optimizer.param_groups} == rates


def test_gradients_are_scaled_together(network: ViTSegmenter) -> None:
    optimizer = build_optimizer(OptimizerConfig(), network)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    norm = sum(p.numel() for p in parameters) ** 0.5
    assert clip_gradients(optimizer, 0).item() == pytest.approx(norm)
    assert clip_gradients(optimizer, 2 * norm).item() == pytest.approx(norm)
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in parameters)
    assert clip_gradients(optimizer, 0.5).item() == pytest.approx(norm)
    assert sum(p.grad.square().sum().item() for p in parameters) ** 0.5 == pytest.approx(0.5, rel=1e-4)


def test_a_floor_above_the_rate_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most lr"):
        OptimizerConfig(lr=1e-4, min_lr=1e-3)
    with pytest.raises(ValueError, match=r"lr x head_lr_factor=0\.0001, as the schedule falls"):
        OptimizerConfig(lr=1e-3, head_lr_factor=0.1, min_lr=5e-4)


def test_layers_learn_slower_the_earlier_they_are() -> None:
    run = tiny_run(Path(), {"model.backbone.final_norm": True, "model.head": "linear"})
    network = build_segmenter(run.model, 3, seed=0)
    config = OptimizerConfig(lr=0.01, head_lr_factor=10, layer_decay=0.5, min_lr=1e-3, weight_decay=0.1)
    optimizer = build_optimizer(config, network)
    rates = {id(p): group["base_lr"] for group in optimizer.param_groups for p in group["params"]}
    depth = len(network.backbone.trunk)
    for name, parameter in network.named_parameters():
        if name.startswith("head."):
            expected = 0.1
        elif name.startswith("backbone.norm."):
            expected = 0.01
        elif name.startswith("backbone.blocks."):
            expected = 0.01 * 0.5 ** (depth - int(name.split(".")[2]))
        else:
            expected = 0.01 * 0.5 ** (depth + 1)
        assert rates[id(parameter)] == pytest.approx(expected), name
    shown = set_learning_rate(optimizer, config, 99, 100)
    assert shown["backbone"] == pytest.approx(poly(99, 100, 0.01, 1e-3, 0.9))
    highest = {"backbone": 0.01, "head": 0.1}
    for group in optimizer.param_groups:  # all fall by the same factor, floor included
        fallen = shown[group["name"]] / highest[group["name"]]
        assert group["lr"] / group["base_lr"] == pytest.approx(fallen)


def test_without_decay_the_groups_are_two_a_name(network: ViTSegmenter) -> None:
    optimizer = build_optimizer(OptimizerConfig(weight_decay=0.1), network)
    kinds = [(group["name"], group["weight_decay"]) for group in optimizer.param_groups]
    assert kinds == [("backbone", 0.1), ("backbone", 0.0), ("head", 0.1), ("head", 0.0)]


def test_stages_of_a_hierarchy_are_layers_too() -> None:
    sizes = {"name": "mit", "embed_dims": (4, 8, 12, 16), "depths": (1, 2, 1, 1), "num_heads": (1, 2, 3, 4)}
    network = build_segmenter(ModelConfig.model_validate({"backbone": sizes, "head": "segformer"}), 3, seed=0)
    names = {id(p): name for name, p in network.backbone.named_parameters()}
    layers = [{names[id(p)].split(".")[0] for p in layer} for layer in network.backbone_layers()]
    assert layers == [
        {"patch_embed1"},
        {"block1", "norm1", "patch_embed2"},
        {"block2"},
        {"block2", "norm2", "patch_embed3"},
        {"block3", "norm3", "patch_embed4"},
        {"block4"},
        {"norm4"},
    ]


def test_a_frozen_backbone_gives_the_head_a_rate_of_its_own() -> None:
    for changes, rates in (
        ({"model.frozen_blocks": "all"}, {"head": 0.02}),
        ({"model.lora.rank": 2}, {"lora": 0.05, "head": 0.05}),
    ):
        network = build_segmenter(tiny_run(Path(), changes).model, 3, seed=0)
        config = OptimizerConfig(lr=0.01, head_lr_factor=5, probe_lr=0.02)
        found = {group["name"]: group["base_lr"] for group in build_optimizer(config, network).param_groups}
        assert found == rates
