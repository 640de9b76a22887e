"""Linear layers whose larger float32 products run through oneDNN on a CPU.

PyTorch hands them to MKL, which takes a slower path on processors that are not Intel's: there oneDNN is more
than twice as fast. The numbers agree to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# The product that torch.compile's CPU backend emits; builds without oneDNN lack it.
_AVAILABLE = torch.backends.mkldnn.is_available() and hasattr(  # type: ignore[no-untyped-call]
    torch.ops.mkldnn, "_linear_pointwise"
)

# Multiplications from which on the faster product makes up for its dearer call (measured: 1 to 2 million).
_WORTHWHILE = 2_000_000


def fast_linear(
    x: Float[Tensor, "*n c"], weight: Float[Tensor, "d c"], bias: Float[Tensor, " d"] | None
) -> Float[Tensor, "*n d"]:
    """Return ``x @ weight.T + bias``, as ``torch.nn.functional.linear`` to rounding."""
    # Sizes come last: a graph for export leaves them open.
    if _AVAILABLE and on_plain_cpu(x, weight) and x.numel() * len(weight) >= _WORTHWHILE:
        held = _Held.apply(x, weight)
        result: Tensor = _OneDNNLinear.apply(held, weight, bias, held.grad_fn)
        return result
    return F.linear(x, weight, bias)


class FastLinear(nn.Linear):
    """``nn.Linear`` by `fast_linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x @ weight.T + bias``."""
        return fast_linear(x, self.weight, self.bias)


class Product(nn.Module):
    """The product of a linear layer whose weights are computed."""

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return ``x @ weight.T + bias``."""
        return F.linear(x, weight, bias)


class FastProduct(Product):
    """`Product` by `fast_linear`."""

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return ``x @ weight.T + bias``."""
        return fast_linear(x, weight, bias)


class FastPatchConv2d(nn.Conv2d):
    """A convolution whose square patches touch and don't overlap, as one linear map of them."""

    def forward(self, x: Tensor) -> Tensor:
        """Return one value a patch and channel."""
        side = self.kernel_size[0]
        rows, cols = x.shape[-2] // side, x.shape[-1] // side
        whole = x[..., : rows * side, : cols * side]
        pixels = rearrange(whole, "b c (r p) (s q) -> b r s (c p q)", p=side, q=side)
        return fast_linear(pixels, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def cuts_patches(conv: nn.Conv2d) -> bool:
    """Whether the patches of a convolution are square, touch, and don't overlap."""
    side = conv.kernel_size[0]
    return (
        conv.kernel_size == conv.stride == (side, side)
        and side > 1
        and conv.padding == (0, 0)
        and conv.dilation == (1, 1)
        and conv.groups == 1
    )


def on_plain_cpu(*tensors: Tensor) -> bool:
    """Whether all are float32 on a CPU, outside of autocast and of whatever records a graph to export."""
    return (
        all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    )


def in_bfloat16_on_cpu(x: Tensor) -> bool:
    """Whether products of ``x`` run in bfloat16 on a CPU, outside of whatever records a graph to export."""
    return (
        not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
        and x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.T + bias``."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


class _Held(torch.autograd.Function):
    """Keeps the factors of a product, before it is computed, for the product's backward pass.

    A product would keep them itself once it is computed. This way, where a block is computed again, its last
    product is left out: all that its backward pass needs is there by then.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.set_materialize_grads(False)
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, None]:
        return grad, None


class _OneDNNLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, held: Any) -> Tensor:
        ctx.held = held
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.held.saved_tensors
        wants_x, _ = ctx.held.needs_input_grad
        _, wants_weight, wants_bias, _ = ctx.needs_input_grad
        rows = grad.reshape(-1, grad.shape[-1])
        return (
            _product(grad, weight.t()) if wants_x else None,
            _product(rows.t(), x.reshape(-1, x.shape[-1]).t()) if wants_weight else None,
            rows.sum(0) if wants_bias else None,
            None,
        )
