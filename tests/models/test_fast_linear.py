"""Linear layers by oneDNN: the numbers of plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from s4former.models import fast_linear as module
from s4former.models import faster_on_cpu
from s4former.models.fast_linear import FastLinear, fast_linear

needs_onednn = pytest.mark.skipif(not module._AVAILABLE, reason="this torch has no oneDNN")


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
def test_equals_linear_with_all_gradients(bias: bool) -> None:
    x, weight = numbers(4, 65, 96), numbers(128, 96, seed=1)
    assert x.numel() * len(weight) >= module._WORTHWHILE
    offset = numbers(128, seed=2) if bias else None
    results = []
    for function in (F.linear, fast_linear):
        inputs = [t.clone().requires_grad_() for t in (x, weight, offset) if t is not None]
        out = function(*inputs, *([] if bias else [None]))
        results.append([out, *torch.autograd.grad(out, inputs, numbers(*out.shape, seed=3))])
    assert type(results[1][0].grad_fn).__name__ == "_OneDNNLinearBackward"
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)


@needs_onednn
def test_frozen_weights_get_no_gradient_and_pass_one_on() -> None:
    layer = FastLinear(96, 128).requires_grad_(False)
    x = numbers(300, 96).requires_grad_()
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand_as(x), rtol=1e-4, atol=1e-5)


@needs_onednn
@pytest.mark.parametrize("learns", ["all", "only the first layer's weights", "only the input"])
def test_the_last_product_of_a_block_is_not_computed_again(
    learns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Tensor] = []
    product = module._product
    monkeypatch.setattr(module, "_product", lambda *given: calls.append(given[0]) or product(*given))
    mlp = nn.Sequential(FastLinear(96, 384), nn.GELU(), FastLinear(384, 96))
    x = numbers(300, 96).requires_grad_(learns != "only the first layer's weights")
    mlp.requires_grad_(learns == "all")
    mlp[0].weight.requires_grad_(learns != "only the input")
    inputs = [tensor for tensor in (x, *mlp.parameters()) if tensor.requires_grad]
    results, counts = [], []
    for recompute in (False, True):
        calls.clear()
        out = checkpoint(mlp, x, use_reentrant=False) if recompute else mlp(x)
        results.append([out, *torch.autograd.grad(out.square().sum(), inputs)])
        counts.append(len(calls))
    assert counts[1] == counts[0] + 1
    for plain, again in zip(*results, strict=True):
        assert torch.equal(plain, again)


def test_small_products_are_linear_to_the_bit() -> None:
    x, weight = numbers(5, 8), numbers(6, 8, seed=1)
    assert torch.equal(fast_linear(x, weight, None), F.linear(x, weight))


def test_other_types_are_left_alone() -> None:
    x, weight = numbers(300, 96), numbers(128, 96, seed=1)
    assert fast_linear(x.double(), weight.double(), None).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert fast_linear(x, weight, None).dtype == torch.bfloat16


def test_swapping_keeps_parameters_and_their_names() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 2, bias=False)))
    before = dict(network.named_parameters())
    faster_on_cpu(network)
    after = dict(network.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is parameter for name, parameter in before.items())
    assert isinstance(network[0], FastLinear)
    assert isinstance(network[1][1], FastLinear)
