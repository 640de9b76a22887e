"""The optimizer, its groups of parameters, and the learning rate of each step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from s4former import collectives
from s4former.engine.run import OptimizerConfig
from s4former.ops.schedules import poly

_UNDECAYED = ("pos_embed", "cls_token", "reg_token", "dist_token", "mask_token")


class Trainable(Protocol):
    """A method, or a network on its own."""

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trainable parameters by group."""

    def backbone_layers(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the backbone by layers."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Return all parameters with their names."""


def build_optimizer(config: OptimizerConfig, method: Trainable) -> torch.optim.Optimizer:
    """Return the optimizer of all trainable parameters, in groups by name and by decay.

    Each group knows its ``name`` (backbone, head, or method for the method's own) and its ``base_lr``; all
    but the backbone learn at the rate of heads, which is a rate of its own where the backbone is frozen.
    """
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    scales = layer_scales(method.backbone_layers(), config.layer_decay)
    named = method.parameter_groups()
    is_frozen = not named.get("backbone") and not named.get("lora")
    head_lr = config.probe_lr if is_frozen else config.lr * config.head_lr_factor
    groups, every = [], config.decayed == "all"
    for group, parameters in named.items():
        members: dict[tuple[bool, float], list[nn.Parameter]] = {}
        for parameter in parameters:
            kind = every or _decays(names[id(parameter)], parameter), scales.get(id(parameter), 1.0)
            members.setdefault(kind, []).append(parameter)
        for (decayed, scale), some in sorted(members.items(), key=lambda item: item[0], reverse=True):
            base_lr = scale * (config.lr if group == "backbone" else head_lr)
            decay = config.weight_decay if decayed else 0.0
            groups.append(
                {"params": some, "name": group, "base_lr": base_lr, "lr": base_lr, "weight_decay": decay}
            )
    if config.name == "sgd":
        # Its fused kernel takes no shards, AdamW's does.
        fused = not collectives.any_sharded(parameter for group in named.values() for parameter in group)
        return torch.optim.SGD(groups, momentum=config.momentum, fused=fused)
    return torch.optim.AdamW(groups, betas=(config.momentum, 0.999), fused=True)


def layer_scales(layers: list[list[nn.Parameter]], decay: float) -> dict[int, float]:
    """Return what the learning rate of each parameter of a backbone is multiplied by, by its id.

    Source:
        Layer-wise decay of BEiT (Bao et al., ICLR 2022) and timm: ``decay`` to the power of how many layers
        follow, where the embeddings are the first layer and what follows the last block, as a final norm or
        the heads, is the last one.
    """
    return {id(p): decay ** (len(layers) - 1 - number) for number, layer in enumerate(layers) for p in layer}


def _decays(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim > 1 and name.rpartition(".")[2] not in _UNDECAYED


def set_learning_rate(
    optimizer: torch.optim.Optimizer, config: OptimizerConfig, step: int, steps: int
) -> dict[str, float]:
    """Set each group's learning rate for ``step`` (from 0) of ``steps``; return the highest of each name.

    Source:
        mmcv's poly policy with a floor (golden ``schedule``): the floor is the same for both, so their
        ratio shrinks to 1 where it is not 0. Layers that learn slower have a floor as much lower.
    """
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    highest: dict[str, float] = {}
    for group in optimizer.param_groups:
        highest[group["name"]] = max(group["base_lr"], highest.get(group["name"], 0.0))
    rates: dict[str, float] = {}
    for group in optimizer.param_groups:
        floor = config.min_lr * (group["base_lr"] / highest[group["name"]])
        group["lr"] = warmup * poly(step, steps, group["base_lr"], floor, config.power)
        rates[group["name"]] = max(group["lr"], rates.get(group["name"], 0.0))
    return rates


def clip_gradients(optimizer: torch.optim.Optimizer, max_norm: float) -> Float[Tensor, ""]:
    """Scale all gradients down to ``max_norm`` together (0: leave them) and return their norm before that."""
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = collectives.whole(nn.utils.get_total_norm(p.grad for p in parameters if p.grad is not None))
    if max_norm > 0:
        nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm
