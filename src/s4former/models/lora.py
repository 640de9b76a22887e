"""LoRA: a frozen backbone whose attention learns small changes of low rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.models.backbones import Backbone
from s4former.models.config import LoRAConfig

_NAME = "lora"


class LowRank(nn.Module):
    """What is added to a linear map: two thin ones, of which the second starts at zero.

    Source:
        Hu et al., ICLR 2022 (LoRA). First weights and the factor alpha / rank are those of ``peft``; there is
        no dropout.
    """

    def __init__(self, inputs: int, outputs: int, config: LoRAConfig) -> None:
        super().__init__()
        self.factor = config.alpha / config.rank
        self.down = nn.Parameter(torch.empty(config.rank, inputs))
        self.up = nn.Parameter(torch.zeros(outputs, config.rank))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, x: Float[Tensor, "*b c"]) -> Float[Tensor, "*b d"]:
        """Return what is added for inputs."""
        return F.linear(F.linear(x, self.down), self.up) * self.factor

    def product(self) -> Float[Tensor, "d c"]:
        """Return what is added to the weight of the map."""
        return self.up @ self.down * self.factor


def add_lora(backbone: Backbone, config: LoRAConfig, frozen_blocks: int) -> None:
    """Freeze a backbone and let the linear maps of its attention learn changes of low rank, in place.

    Weights keep their names; the parameters of the changes are called ``lora`` beside them.

    Args:
        backbone: Whose blocks keep their attention in ``attn``.
        config: The changes.
        frozen_blocks: So many first blocks get none.

    Raises:
        ValueError: If no block is left to learn.
    """
    backbone.requires_grad_(False)
    attentions = [getattr(block, "attn", None) for block in backbone.trunk[frozen_blocks:]]
    layers = [
        layer
        for attention in attentions
        if isinstance(attention, nn.Module)
        for layer in attention.children()
        if isinstance(layer, nn.Linear)
    ]
    if not layers:
        raise ValueError(
            f"model.lora.rank={config.rank} has no attention to change: all {len(backbone.trunk)} blocks are "
            "frozen, or keep no linear maps in `attn`; set model.frozen_blocks to less, or model.lora.rank=0"
        )
    for layer in layers:
        setattr(layer, _NAME, LowRank(layer.in_features, layer.out_features, config))
        layer.register_forward_hook(_add_change)
    for attention in attentions:
        # timm's EVA else takes the weight and passes by the layer.
        if hasattr(attention, "qkv_bias_separate"):
            attention.qkv_bias_separate = True  # type: ignore[union-attr]


def _add_change(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    change: Tensor = layer.lora(inputs[0])
    return output + change


def lora_parameters(backbone: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of all changes of low rank."""
    return [p for layer in backbone.modules() if isinstance(layer, LowRank) for p in layer.parameters()]


def is_lora(key: str) -> bool:
    """Return whether a tensor belongs to a change of low rank, by its name."""
    return f".{_NAME}." in key


def merged(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a plain network that computes what one with changes of low rank does."""
    plain = {key: value for key, value in state.items() if not is_lora(key)}
    with torch.no_grad():
        for name, layer in network.named_modules():
            if isinstance(layer, LowRank):
                weight = name.removesuffix(_NAME) + "weight"
                plain[weight] = plain[weight] + layer.product().to(plain[weight])
    return plain
