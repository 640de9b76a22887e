"""Attention that is written out on a CPU in bfloat16 gives what the fused kernel gives."""

from __future__ import annotations

import pytest
import torch
from timm.layers.attention import Attention
from torch import Tensor, nn

from s4former.models import faster_on_cpu
from s4former.models.faster import FastAttention


def pair() -> tuple[nn.Module, nn.Module]:
    """Return timm's attention, and the same with what a CPU computes faster."""
    torch.manual_seed(0)
    plain, fast = (nn.Sequential(Attention(32, num_heads=4, qkv_bias=True)) for _ in range(2))
    fast.load_state_dict(plain.state_dict())
    faster_on_cpu(fast)
    assert type(fast[0]) is FastAttention
    return plain, fast


def passed(layer: nn.Module, x: Tensor, mask: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the output, and the gradient of the input."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        out = layer[0](x, attn_mask=mask)  # type: ignore[index]
    out.float().square().sum().backward()
    assert x.grad is not None
    return out.detach().float(), x.grad


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.02), (torch.float32, 1e-5)])
def test_outputs_and_gradients_are_the_same_to_rounding(
    biased: bool, dtype: torch.dtype, tolerance: float
) -> None:
    x = torch.randn(2, 17, 32, generator=torch.Generator().manual_seed(1))
    mask = torch.randn(2, 1, 17, 17, generator=torch.Generator().manual_seed(2)) if biased else None
    for one, other in zip(*(passed(layer, x, mask, dtype) for layer in pair()), strict=True):
        torch.testing.assert_close(one, other, atol=tolerance * float(one.abs().max()), rtol=0)


@pytest.mark.parametrize(
    ("tokens", "low", "fused"), [(17, True, False), (1401, True, True), (17, False, True)]
)
def test_only_few_tokens_in_bfloat16_are_written_out(tokens: int, low: bool, fused: bool) -> None:
    _, fast = pair()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=low):
        fast(torch.zeros(1, tokens, 32))
    assert fast[0].fused_attn is fused  # type: ignore[index]
