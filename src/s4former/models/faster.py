"""Layers that a CPU computes faster, in the place of those of a built network."""

from __future__ import annotations

from timm.layers.attention import Attention
from torch import nn

from s4former.models.fast_attention import FastAttention
from s4former.models.fast_linear import FastLinear, FastPatchConv2d, FastProduct, Product, cuts_patches
from s4former.models.upsampled_conv import FastUpsampledConv2d, UpsampledConv2d

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
