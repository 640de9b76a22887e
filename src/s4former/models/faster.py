"""Layers that a CPU computes faster, in the place of those of a built network."""

from __future__ import annotations

from timm.layers.attention import Attention
from torch import Tensor, nn

from s4former.models.fast_linear import (
    FastLinear,
    FastPatchConv2d,
    FastProduct,
    Product,
    cuts_patches,
    in_bfloat16_on_cpu,
)
from s4former.models.upsampled_conv import FastUpsampledConv2d, UpsampledConv2d

# Up to so many tokens (37 x 37 patches) the scores of all pairs are written out: 24 MB an image in ViT-S.
_FEW_TOKENS = 1400


class FastAttention(Attention):
    """timm's attention, without PyTorch's fused kernel where that is slow.

    In bfloat16 on a CPU the fused kernel takes more than twice as long as two products and a softmax, forward
    and backward together (docs/speed.md).
    """

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """Return what attention gathers for each token."""
        # In this order, as a graph for export leaves the number of tokens open.
        self.fused_attn = not (in_bfloat16_on_cpu(x) and x.shape[1] <= _FEW_TOKENS)  # type: ignore[misc]
        gathered: Tensor = super().forward(x, attn_mask, is_causal)
        return gathered


_FASTER: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: FastLinear,
    Product: FastProduct,
    UpsampledConv2d: FastUpsampledConv2d,
    Attention: FastAttention,
}


def faster_on_cpu(network: nn.Module) -> None:
    """Let the layers of a network take the order of arithmetic that is fastest on a CPU, in place.

    Results are the same to rounding, and parameters, their names and what is saved stay as they are. On other
    devices, in other types than a layer is made for and in graphs for export all do what they did before.
    """
    for layer in network.modules():
        if type(layer) is nn.Conv2d and cuts_patches(layer):
            layer.__class__ = FastPatchConv2d
        else:
            layer.__class__ = _FASTER.get(type(layer), type(layer))
