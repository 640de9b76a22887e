"""Families of vision transformers in timm: bias, gradients, sizes, shuffled images, weights."""

from __future__ import annotations

import copy
import gc
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from s4former.config import UserError
from s4former.models import (
    BACKBONES,
    ModelConfig,
    TimmBackbone,
    ViTSegmenter,
    build_segmenter,
    faster_on_cpu,
    load_backbone_weights,
)
from s4former.ops import Shuffle, restore_blocks, shuffle_blocks

pytestmark = pytest.mark.slow

# The smallest of each family, with its patch and the tokens before the patches.
FAMILIES = {
    "deit_tiny_patch16_224": (16, 1),
    "vit_tiny_patch16_224.augreg_in21k": (16, 1),
    "deit3_small_patch16_224": (16, 1),
    "vit_small_patch14_dinov2": (14, 1),
    "vit_small_patch14_reg4_dinov2": (14, 5),
    "vit_small_patch16_dinov3": (16, 5),
    "eva02_tiny_patch14_224": (14, 1),
    "vit_base_patch16_siglip_224": (16, 0),
}


@pytest.fixture(scope="module", params=FAMILIES)
def network(request: pytest.FixtureRequest) -> ViTSegmenter:
    """Two blocks and a linear head, with weights so large that attention matters."""
    config = ModelConfig.model_validate(
        {
            "backbone": {"name": request.param, "image_size": [4 * FAMILIES[request.param][0]] * 2},
            "head": {"name": "linear", "out_indices": [0, 1]},
        }
    )
    made = build_segmenter(config, 3, seed=0)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in made.named_parameters():
        if parameter.ndim > 1 and "token" not in name:
            parameter.data.normal_(std=parameter.shape[-1] ** -0.5, generator=generator)
        if "gamma" in name:  # the scales of layers start near 0
            parameter.data.fill_(1.0)
    return made.eval()


@pytest.fixture
def images(network: ViTSegmenter) -> Tensor:
    """Neither square nor of the native size."""
    patch = network.patch_size
    return torch.rand(2, 3, 2 * patch, 6 * patch, generator=torch.Generator().manual_seed(0))


def test_attributes(network: ViTSegmenter) -> None:
    assert (network.patch_size, network.num_prefix_tokens) == FAMILIES[network.config.backbone.name]
    assert len(network.backbone.trunk) == 2


def test_a_bias_of_zero_changes_nothing_and_a_biased_key_does(network: ViTSegmenter, images: Tensor) -> None:
    length = network.num_prefix_tokens + 12
    biases = torch.zeros(3, 2, length, length)
    biases[1, :, :, network.num_prefix_tokens + 5] = 5.0
    biases[2] = 3.0  # the same for all keys: softmax does not see it
    with torch.no_grad():
        plain = network.encode(images)
        none, key, constant = (network.encode(images, bias) for bias in biases)
    for one, zero, even in zip(plain, none, constant, strict=True):
        torch.testing.assert_close(zero, one, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(even, one, rtol=1e-4, atol=1e-3)
    assert (key[-1] - plain[-1]).abs().max() > 0.01 * plain[-1].abs().max()
    with pytest.raises(ValueError, match=f"2 x {length} x {length}, prefix tokens included"):
        network.encode(images, torch.zeros(2, 3, 3))


def test_gradients_reach_every_parameter_through_the_bias(network: ViTSegmenter, images: Tensor) -> None:
    length = network.num_prefix_tokens + 12
    network.zero_grad()
    features = network.encode(images, torch.rand(2, length, length))
    network.decode(features, (20, 30)).square().mean().backward()
    assert not [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (37, 90), (64, 15)])
def test_odd_sizes(network: ViTSegmenter, height: int, width: int) -> None:
    assert network(torch.rand(1, 3, height, width)).shape == (1, 3, height, width)


def test_every_query_that_looks_at_one_key_says_the_same(network: ViTSegmenter, images: Tensor) -> None:
    """Columns of the bias are keys, and prefix tokens come first: the patch that is meant is looked at."""
    attention = network.backbone.trunk[0].attn
    seen: list[Tensor] = []
    hook = attention.register_forward_hook(lambda _layer, _inputs, out: seen.append(out))
    length = network.num_prefix_tokens + 12
    bias = torch.zeros(2, length, length)
    bias[:, :, network.num_prefix_tokens + 5] = 1e4
    with torch.no_grad():
        network.encode(images, bias)
    hook.remove()
    torch.testing.assert_close(seen[0], seen[0][:, :1].expand_as(seen[0]), rtol=1e-3, atol=1e-3)


def test_shuffled_blocks_are_restored(network: ViTSegmenter, images: Tensor) -> None:
    """Blocks of 2 x 2 patches come back to their places, whatever tokens precede the patches."""
    permutation = torch.tensor([[1, 2, 0], [0, 2, 1]])
    shuffle = Shuffle(permutation, rows=1, cols=3)
    moved = shuffle_blocks(images, shuffle)
    with torch.no_grad():
        embedded, shuffled = (network.backbone.vit.patch_embed(x) for x in (images, moved))
        restored = restore_blocks(network.encode(moved)[0], shuffle)
        plain = network.encode(images)[0]
    assert restored.shape == plain.shape
    patches = [x if x.ndim == 4 else x.unflatten(1, (2, 6)) for x in (embedded, shuffled)]
    back = restore_blocks(patches[1].permute(0, 3, 1, 2), shuffle)
    torch.testing.assert_close(back, patches[0].permute(0, 3, 1, 2))


def test_the_same_numbers_in_the_order_of_a_cpu(network: ViTSegmenter) -> None:
    patch = network.patch_size
    images = torch.rand(1, 3, 8 * patch, 8 * patch)
    fast = copy.deepcopy(network)
    faster_on_cpu(fast)
    assert any(
        type(one) is not type(other) for one, other in zip(fast.modules(), network.modules(), strict=True)
    )
    assert fast.state_dict().keys() == network.state_dict().keys()
    with torch.no_grad():
        torch.testing.assert_close(fast(images), network(images), rtol=1e-4, atol=1e-4)


def test_a_copy_has_weights_of_its_own(network: ViTSegmenter, images: Tensor) -> None:
    """As a teacher has, though a backbone shares its registries with timm's model."""
    teacher = copy.deepcopy(network)
    with torch.no_grad():
        before = network(images)
        for parameter in teacher.parameters():
            parameter.mul_(0.5)
        assert torch.equal(network(images), before)
        assert not torch.allclose(teacher(images), before)
        teacher.load_state_dict(network.state_dict())
        assert torch.equal(teacher(images), before)


def test_a_network_that_is_dropped_is_gone_at_once() -> None:
    """Its memory, on a GPU, does not wait for the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        made = build_segmenter(ModelConfig(backbone="vit_tiny_patch16_224", head="linear"), 3, seed=0)
        gone = weakref.ref(made.backbone.vit)
        del made
        assert gone() is None
    finally:
        gc.enable()


def test_its_own_file_is_loaded(network: ViTSegmenter, tmp_path: Path) -> None:
    state = {f"model.{name}": value + 1 for name, value in network.backbone.state_dict().items()}
    save_file(state | {"model.head.weight": torch.zeros(1)}, tmp_path / "vit.safetensors")
    backbone = copy.deepcopy(network.backbone)
    load_backbone_weights(backbone, tmp_path / "vit.safetensors")
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, state[f"model.{name}"])


def test_rotary_positions_and_learned_ones_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    dinov3, dinov2 = (
        BACKBONES.parse({"name": name, "image_size": [64 * 7] * 2}).build(3)
        for name in ("vit_small_patch16_dinov3", "vit_small_patch14_dinov2")
    )
    assert isinstance(dinov3, TimmBackbone)
    assert dinov3.rotary
    with pytest.raises(UserError, match=r"differ in shape.*patch_embed"):
        load_backbone_weights(dinov3, dinov2.state_dict())
    with pytest.raises(UserError, match=r"model.backbone=vit_small_patch16_dinov3"):
        load_backbone_weights(dinov2, dinov3.state_dict())
    with pytest.raises(UserError, match=r"no tensor by the names of model.backbone"):
        load_backbone_weights(dinov3, {"a": torch.zeros(1)})


def test_blocks_that_are_computed_again_give_the_same_gradients(
    network: ViTSegmenter, images: Tensor
) -> None:
    length = network.num_prefix_tokens + 12
    bias = torch.rand(2, length, length)
    gradients = []
    for recompute in (False, True):
        own = copy.deepcopy(network)
        if recompute:
            own.backbone.recompute()
        own.zero_grad()
        own.decode(own.encode(images, bias), (20, 30)).square().mean().backward()
        gradients.append({name: p.grad for name, p in own.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient is None or torch.equal(gradient, gradients[1][name]), name
