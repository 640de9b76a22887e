"""A 3x3 convolution of a bilinearly enlarged map, at a fraction of the arithmetic.

Enlarging ``s`` times puts zeros between the values and blurs them with a fixed tent; a convolution commutes
with that blur. So the convolution can meet the map while it is still mostly zeros (a transposed convolution
with stride ``s``: ``s * s`` times fewer products), and the blur comes last, one channel at a time. Only at
the border do the two differ: enlarging repeats the outermost values, the convolution sees zeros beyond them,
and four thin convolutions make up for it.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from s4former.models.fast_linear import in_bfloat16_on_cpu, on_plain_cpu
from s4former.ops.resize import resize_bilinear

_SCALES = (2, 4)

# Multiplications in the plain order from which on the cheap one is faster (measured: 300 to 600 million).
_WORTHWHILE = 400_000_000


class UpsampledConv2d(nn.Conv2d):
    """Enlarges a map bilinearly, then convolves it, 3x3 with zeros around it and without a bias."""

    def __init__(self, in_channels: int, channels: int, scale: int) -> None:
        super().__init__(in_channels, channels, 3, padding=1, bias=False)
        self.scale = scale

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Return a map ``scale`` times as large."""
        return super().forward(resize_bilinear(x, (x.shape[-2] * self.scale, x.shape[-1] * self.scale)))


class FastUpsampledConv2d(UpsampledConv2d):
    """`UpsampledConv2d` in the cheap order for larger maps on a CPU.

    The same numbers to rounding, and with gradients up to 4 times as fast. On other devices arithmetic costs
    less than the blur's memory traffic.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Return a map ``scale`` times as large."""
        low = in_bfloat16_on_cpu(x)
        if (low or on_plain_cpu(x, self.weight)) and self._is_worthwhile(x):
            dtype = torch.bfloat16 if low else torch.float32
            with torch.autocast("cpu", enabled=False):
                return conv_then_enlarge(x.to(dtype), self.weight.to(dtype), self.scale)
        return super().forward(x)

    def _is_worthwhile(self, x: Tensor) -> bool:
        products = x.numel() * self.scale**2 * self.weight[:, 0].numel()
        return self.scale in _SCALES and products >= _WORTHWHILE


def conv_then_enlarge(
    x: Float[Tensor, "b c h w"], weight: Float[Tensor, "d c 3 3"], scale: int
) -> Float[Tensor, "b d h2 w2"]:
    """Return what `UpsampledConv2d` returns, in the cheap order; ``scale`` is 2 or 4."""
    extended = F.pad(x, (1, 1, 1, 1), mode="replicate")
    # What the convolution would see of the values repeated beyond each side; corners go with top and bottom.
    top, bottom = (F.pad(_enlarge_line(x[:, :, row], scale), (1, 1), mode="replicate") for row in (0, -1))
    left, right = (_enlarge_line(x[..., col], scale) for col in (0, -1))
    beyond = (
        F.conv1d(top, weight[:, :, 0]),
        F.conv1d(bottom, weight[:, :, 2]),
        F.conv1d(left, weight[..., 0], padding=1),
        F.conv1d(right, weight[..., 2], padding=1),
    )
    result: Tensor = _SpreadAndBlur.apply(extended, weight, *beyond, scale)
    return result


def _enlarge_line(line: Tensor, scale: int) -> Tensor:
    return F.interpolate(line, scale_factor=scale, mode="linear", align_corners=False)


class _SpreadAndBlur(torch.autograd.Function):
    """Transposed convolution, blur, and subtraction of the border terms; keeps no enlarged map."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        top: Tensor,
        bottom: Tensor,
        left: Tensor,
        right: Tensor,
        scale: int,
    ) -> Tensor:
        # As a transposed convolution reads it: input channels first, taps reversed.
        flipped = weight.transpose(0, 1).flip(2, 3)
        ctx.save_for_backward(x, flipped)
        ctx.scale = scale
        spread = F.conv_transpose2d(x, flipped, stride=scale, padding=2 - scale // 2)
        result = _blur(spread, scale, padding=0)
        result[:, :, 0] -= top
        result[:, :, -1] -= bottom
        result[..., 0] -= left
        result[..., -1] -= right
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, flipped = ctx.saved_tensors
        scale, padding = ctx.scale, 2 - ctx.scale // 2
        spread = _blur(grad, scale, padding=2 * scale - 1)
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = F.conv2d(spread, flipped, stride=scale, padding=padding)
        if ctx.needs_input_grad[1]:
            # oneDNN's weight gradient of large maps is several times slower with channels last.
            _, grad_flipped, _ = torch.ops.aten.convolution_backward(
                spread.contiguous(), x.contiguous(), flipped, None, [scale] * 2, [padding] * 2, [1, 1],
                True, [0, 0], 1, [False, True, False],
            )  # fmt: skip
            grad_weight = grad_flipped.flip(2, 3).transpose(0, 1)
        return grad_x, grad_weight, -grad[:, :, 0], -grad[:, :, -1], -grad[..., 0], -grad[..., -1], None


def _blur(x: Tensor, scale: int, padding: int) -> Tensor:
    """Weigh each channel with the tent of bilinear enlarging (symmetric, so this is its own transpose)."""
    tent = 1 - ((torch.arange(2 * scale, dtype=x.dtype) + 0.5) / scale - 1).abs()
    kernel = (tent[:, None] * tent).expand(x.shape[1], 1, -1, -1).contiguous()
    return F.conv2d(x, kernel, padding=padding, groups=x.shape[1])
