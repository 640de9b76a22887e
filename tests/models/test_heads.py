"""Heads: reordering their linear maps changes no number."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from small_networks import tiny, tiny_segformer
from torch import Tensor, nn
from torch.nn import functional as F

from authors_names import to_authors
from s4former.config.override import override
from s4former.models import (
    DPTConfig,
    ModelConfig,
    SETRPUPConfig,
    build_segmenter,
    convert_authors_checkpoint,
    rebuild_segmenter,
)
from s4former.models import upsampled_conv as module
from s4former.models.heads.configs.setr_naive import SETRNaiveConfig
from s4former.models.heads.linear import LinearHead
from s4former.models.heads.setr_pup import SETRPUPHead
from s4former.models.upsampled_conv import FastUpsampledConv2d, conv_then_enlarge
from s4former.ops import resize_bilinear


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def enlarge_then_conv(x: Tensor, weight: Tensor, scale: int) -> Tensor:
    enlarged = resize_bilinear(x, (x.shape[-2] * scale, x.shape[-1] * scale))
    return F.conv2d(enlarged, weight, padding=1)


def classified_last(head: SETRPUPHead, grid: Tensor, scale: int) -> Tensor:
    """The published order: upsampling of all channels, then the classifier."""
    x = head.stages(head.norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
    return head.classifier(resize_bilinear(x, (x.shape[-2] * scale, x.shape[-1] * scale)))


@pytest.mark.parametrize(("num_convs", "scale"), [(4, 2), (2, 4), (1, 2)])
def test_classifying_before_the_last_upsampling_changes_nothing(num_convs: int, scale: int) -> None:
    head = (
        SETRPUPHead(8, SETRPUPConfig(channels=6, num_convs=num_convs, scale=scale), num_classes=5)
        .double()
        .eval()
    )
    nn.init.normal_(head.classifier.weight)
    nn.init.normal_(head.classifier.bias)
    grid = numbers(2, 8, 3, 4, dtype=torch.float64)
    size = (3 * scale**num_convs, 4 * scale**num_convs)
    logits, published = head((grid,), size), classified_last(head, grid, scale)
    torch.testing.assert_close(logits, published, rtol=0, atol=1e-12)
    parameters = [*head.norm.parameters(), *head.stages[0].parameters(), *head.classifier.parameters()]
    out = numbers(*logits.shape, seed=1, dtype=torch.float64)
    pairs = zip(
        torch.autograd.grad(logits, parameters, out),
        torch.autograd.grad(published, parameters, out),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_the_largest_map_has_a_channel_a_class() -> None:
    head = SETRPUPHead(8, SETRPUPConfig(channels=6), num_classes=5).eval()
    shapes: list[torch.Size] = []
    for layer in head.modules():
        layer.register_forward_hook(lambda _layer, _inputs, out: shapes.append(out.shape))
    logits = head((numbers(1, 8, 2, 2),), (32, 32))
    assert logits.shape == (1, 5, 32, 32)
    assert max(shape[-1] for shape in shapes if shape[1] == 6) == 16


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("shape", [(2, 5, 4, 6), (1, 5, 1, 1), (1, 5, 1, 4), (3, 5, 7, 2)])
def test_convolving_before_enlarging_changes_nothing(scale: int, shape: tuple[int, ...]) -> None:
    x = numbers(*shape, dtype=torch.float64).requires_grad_()
    weight = numbers(7, 5, 3, 3, seed=1, dtype=torch.float64).requires_grad_()
    cheap, plain = conv_then_enlarge(x, weight, scale), enlarge_then_conv(x, weight, scale)
    torch.testing.assert_close(cheap, plain, rtol=0, atol=1e-12)
    out = numbers(*plain.shape, seed=2, dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad(cheap, (x, weight), out),
        torch.autograd.grad(plain, (x, weight), out),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("scale", [2, 4])
def test_large_maps_take_the_cheap_order(scale: int) -> None:
    x, weight = numbers(1, 128, 64 // scale, 64 // scale), numbers(128, 128, 3, 3, seed=1)
    assert x.numel() * scale**2 * weight[:, 0].numel() >= module._WORTHWHILE
    layer = FastUpsampledConv2d(128, 128, scale)
    layer.weight = nn.Parameter(weight)
    result = layer(x)
    assert type(result.grad_fn).__name__ == "_SpreadAndBlurBackward"
    torch.testing.assert_close(result, enlarge_then_conv(x, weight, scale), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("scale", [2, 4])
def test_large_maps_take_the_cheap_order_in_bfloat16_as_well(scale: int) -> None:
    """Outputs and gradients are as near to float32's as those of the plain order."""
    torch.manual_seed(0)
    plain, fast = module.UpsampledConv2d(64, 64, scale), module.FastUpsampledConv2d(64, 64, scale)
    fast.load_state_dict(plain.state_dict())
    x, probe = torch.randn(1, 64, 128 // scale, 128 // scale), torch.randn(1, 64, 128, 128)
    assert fast._is_worthwhile(x)
    found = []
    for layer, low in ((plain, False), (plain, True), (fast, True)):
        inputs = x.clone().requires_grad_()
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            out = layer(inputs)
        (out.float() * probe).sum().backward()
        assert out.dtype == (torch.bfloat16 if low else torch.float32)
        found.append((out.detach().float(), inputs.grad, layer.weight.grad))
    for exact, usual, cheap in zip(*found, strict=True):
        spread = exact.square().mean().sqrt()
        assert (cheap - exact).square().mean().sqrt() < 0.01 * spread
        assert (cheap - usual).abs().max() > 0  # it is another order


def test_small_maps_take_the_plain_order_to_the_bit() -> None:
    x, weight = numbers(1, 5, 4, 6), numbers(7, 5, 3, 3, seed=1)
    layer = FastUpsampledConv2d(5, 7, 2)
    layer.weight = nn.Parameter(weight)
    assert torch.equal(layer(x), enlarge_then_conv(x, weight, 2))


def test_any_size_of_logits() -> None:
    grid = numbers(1, 8, 3, 4)
    assert SETRPUPHead(8, SETRPUPConfig(channels=6, num_convs=2), 5).eval()((grid,), (50, 61)).shape == (
        1,
        5,
        50,
        61,
    )
    assert LinearHead((8,), 5)((grid,), (50, 61)).shape == (1, 5, 50, 61)


def test_linear_head_is_one_linear_map_of_normalized_taps() -> None:
    head = LinearHead((8, 8), num_classes=5)
    grids = (numbers(2, 8, 3, 4), numbers(2, 8, 3, 4, seed=1))
    logits = head(grids, (3, 4))
    token = torch.cat([F.layer_norm(grid[1, :, 2, 3], (8,), eps=1e-6) for grid in grids])
    torch.testing.assert_close(logits[1, :, 2, 3], head.classifier.weight @ token)


def test_the_linear_head_with_batch_norm_is_dinov2s_probe() -> None:
    network = tiny(head="linear", head_norm="batch", out_indices=(0, 2)).train()
    assert network.backbone.final_norm
    images = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        joined = torch.cat(network.encode(images), dim=1)
        spread = joined.std((0, 2, 3), unbiased=False, keepdim=True)
        normed = (joined - joined.mean((0, 2, 3), keepdim=True)) / spread
        weight, bias = network.head.classifier.weight, network.head.classifier.bias
        expected = F.conv2d(normed, weight[..., None, None], bias)
        torch.testing.assert_close(
            network.decode(network.encode(images), (4, 4)), expected, rtol=1e-3, atol=1e-5
        )
    with torch.no_grad():
        network.eval()
        kept = network.for_inference()
        again = rebuild_segmenter(kept[0], 3, kept[1])
        assert torch.equal(again(images), network(images))


def test_setr_naive_in_its_plain_order() -> None:
    head = SETRNaiveConfig(channels=6).build((8,), 5).double().eval()
    nn.init.normal_(head.classifier.weight)
    nn.init.normal_(head.classifier.bias)
    grid = numbers(2, 8, 3, 4, dtype=torch.float64)
    x = head.stages(head.norm(grid.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
    plain = resize_bilinear(head.classifier(resize_bilinear(x, (12, 16))), (48, 64))
    torch.testing.assert_close(head((grid,), (48, 64)), plain, rtol=0, atol=1e-12)


def test_setr_naive_of_mmseg_loads() -> None:
    network = tiny(head="setr_naive", head_channels=8)
    theirs = {to_authors(name): value for name, value in network.state_dict().items()}
    assert "decode_head.up_convs.0.0.bn.running_mean" in theirs
    ours = convert_authors_checkpoint(theirs)
    assert ours.keys() == network.state_dict().keys()
    with pytest.raises(ValidationError, match="setr_naive sees one grid"):
        SETRNaiveConfig(out_indices=(1, 2))


@pytest.mark.parametrize(
    ("depth", "blocks"),
    [
        (1, (0, 0, 0, 0)),
        (3, (0, 0, 1, 2)),
        (4, (0, 1, 2, 3)),
        (12, (2, 5, 8, 11)),
        (24, (4, 11, 17, 23)),
        (40, (9, 19, 29, 39)),
    ],
)
def test_dpt_looks_at_the_published_blocks(depth: int, blocks: tuple[int, ...]) -> None:
    assert DPTConfig().indices(depth) == blocks


@pytest.mark.parametrize(
    ("width", "features", "out_channels"),
    [
        (192, 64, (48, 96, 192, 384)),
        (384, 64, (48, 96, 192, 384)),
        (768, 128, (96, 192, 384, 768)),
        (1024, 256, (256, 512, 1024, 1024)),
        (1536, 384, (1536, 1536, 1536, 1536)),
        (1664, 384, (1536, 1536, 1536, 1536)),
    ],
)
def test_dpt_has_the_published_sizes(width: int, features: int, out_channels: tuple[int, ...]) -> None:
    with torch.device("meta"):
        head = DPTConfig().build((width,) * 4, 5)
    assert head.classifier.in_channels == features
    assert tuple(level.in_channels for level in head.levels) == out_channels


def test_every_parameter_of_dpt_learns_at_any_size() -> None:
    head = DPTConfig(features=8, out_channels=(4, 4, 6, 6)).build((8,) * 4, 5)
    logits = head(tuple(numbers(1, 8, 3, 4, seed=seed) for seed in range(4)), (50, 61))
    assert logits.shape == (1, 5, 50, 61)
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in head.parameters())


def test_dpt_takes_four_grids_of_one_size() -> None:
    with pytest.raises(ValidationError, match=r"out_indices.1"):
        DPTConfig(out_indices=(3,))
    one = ModelConfig.model_validate({"head": {"name": "linear", "out_indices": [3]}})
    switched, notes = override(one, ["head=dpt"])
    assert switched.head == DPTConfig()
    assert notes == ["head.name=dpt has no out_indices: dropped"]
    with pytest.raises(ValueError, match=r"choose a plain transformer, or model\.head=segformer"):
        tiny_segformer(head="dpt")(torch.rand(1, 3, 32, 32))


def test_dpt_sees_grids_through_the_final_norm_unless_it_is_said_not_to() -> None:
    images = torch.rand(1, 3, 16, 16)
    for final_norm, normalized in ((None, True), (True, True), (False, False)):
        network = tiny(head="dpt", final_norm=final_norm)
        assert network.backbone.final_norm == normalized
        mean = network.encode(images)[0].mean(1).abs().max().item()
        assert (mean < 1e-5) == normalized
    assert not tiny(head="linear").backbone.final_norm
    sizes = tiny(head="dpt", head_features=8).for_inference()[0]
    assert build_segmenter(ModelConfig.model_validate(sizes.model_dump()), 3, 0).backbone.final_norm
