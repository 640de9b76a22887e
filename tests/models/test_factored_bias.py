"""PASA's bias by its factors: the numbers of the matrix, in outputs and gradients, without the matrix."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from s4former.models import BACKBONES
from s4former.models.backbones import base
from s4former.ops import adaptive_bias
from s4former.types import FactoredBias

BACKBONE_CASES: dict[str, dict[str, Any]] = {
    "plain": {"name": "vit", "embed_dim": 24, "depth": 2, "num_heads": 3, "image_size": [64, 64]},
    "rotary": {"name": "eva02_tiny_patch14_336", "image_size": [56, 56]},
    "some blocks": {
        "name": "mit",
        "embed_dims": [8, 8, 16, 16],
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 2, 2, 4],
        "biased_stages": [1, 3],
    },
}


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_equal(actual: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * max(1.0, float(other.abs().max())))


@pytest.mark.parametrize("heads", [1, 3], ids=["all heads", "one head"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_folded_attention_is_the_biased_one(heads: int, scale: float | None) -> None:
    queries = (numbers(2, heads, 7, 2, seed=1) > 0).float()
    queries[:, 1:] = 0  # the other heads have none
    bias = FactoredBias(queries, 5 * numbers(2, heads, 9, 2, seed=2).abs())
    found = []
    for mask in (bias, bias.matrix()):
        inputs = [numbers(2, 3, n, 10, seed=n).requires_grad_() for n in (7, 9, 9)]
        out = F.scaled_dot_product_attention(*inputs, attn_mask=mask, scale=scale)  # type: ignore[arg-type]
        out.square().sum().backward()
        found.append([out.detach(), *(x.grad for x in inputs if x.grad is not None)])
    assert_equal(*found)
    plain = F.scaled_dot_product_attention(*inputs, scale=scale)
    assert (plain - found[0][0]).abs().max() > 0.1


@pytest.mark.parametrize("name", BACKBONE_CASES)
@pytest.mark.parametrize("fused", [True, False])
def test_a_backbone_learns_the_same_from_factors(
    name: str, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folded as on a GPU, though this is a CPU; attention that is written out adds the matrix."""
    images = numbers(2, 3, 64, 64) if name != "rotary" else numbers(2, 3, 56, 56)
    torch.manual_seed(0)
    model = BACKBONES.parse(BACKBONE_CASES[name]).build(3)
    for layer in model.modules():
        if hasattr(layer, "fused_attn"):
            layer.fused_attn = fused
    side = images.shape[-1] // model.patch_size
    bias = adaptive_bias(numbers(2, side, side, seed=4).sigmoid(), 5.0, model.num_prefix_tokens)
    monkeypatch.setattr(base, "_AS_MATRIX", ())
    found, kept = [], list[bool]()
    for given in (bias, bias.matrix()):
        model.zero_grad()
        kept.append(False)

        def keep(tensor: Tensor) -> Tensor:
            kept[-1] |= tensor.shape[-2:] == bias.shape[-2:]
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            grids = model(images, given)
        torch.stack([grid.square().mean() for grid in grids]).sum().backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        found.append([*(grid.detach() for grid in grids), *gradients])
    assert_equal(*found)
    assert (found[0][len(grids) - 1] - model(images)[-1]).abs().max() > 1e-4
    if fused and name != "some blocks":  # of a MiT other maps have such sides, too
        assert kept == [False, True]


def test_a_cpu_multiplies_factors_out_once() -> None:
    bias = adaptive_bias(torch.rand(2, 3, 3), 5.0, 1)
    assert isinstance(base.score_bias(bias, torch.zeros(1)), Tensor)
    assert isinstance(base.score_bias(bias, torch.zeros(1, device="meta")), FactoredBias)


def test_biases_add_up() -> None:
    one, other = (FactoredBias(numbers(2, 5, 1, seed=s), numbers(2, 5, 1, seed=s + 1)) for s in (1, 3))
    expected = one.matrix() + other.matrix()
    for total in ((one + other).matrix(), one + other.matrix(), one.matrix() + other):
        torch.testing.assert_close(total, expected)
