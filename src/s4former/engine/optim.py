"""The optimizer, its two groups of parameters, and the learning rate of each step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from s4former.engine.run import OptimizerConfig
from s4former.ops.schedules import poly

_UNDECAYED = ("pos_embed", "cls_token", "reg_token", "dist_token", "mask_token")


class Trainable(Protocol):
    """A method, or a network on its own."""

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trainable parameters by group."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Return all parameters with their names."""


def build_optimizer(config: OptimizerConfig, method: Trainable) -> torch.optim.Optimizer:
    """Return the optimizer of all trainable parameters, in groups by name and by decay.

    Each group knows its ``name`` (backbone, head, or method for the method's own) and its ``base_lr``; all
    but the backbone learn at the rate of heads.
    """
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    groups = []
    for group, parameters in method.parameter_groups().items():
        for decayed in (True, False):
            members = [p for p in parameters if _decays(names[id(p)], p) == decayed]
            if members:
                base_lr = config.lr * (1.0 if group == "backbone" else config.head_lr_factor)
                decay = config.weight_decay if decayed else 0.0
                groups.append(
                    {
                        "params": members,
                        "name": group,
                        "base_lr": base_lr,
                        "lr": base_lr,
                        "weight_decay": decay,
                    }
                )
    if config.name == "sgd":
        return torch.optim.SGD(groups, momentum=config.momentum, fused=True)
    return torch.optim.AdamW(groups, betas=(config.momentum, 0.999), fused=True)


def _decays(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim > 1 and name.rpartition(".")[2] not in _UNDECAYED


def set_learning_rate(
    optimizer: torch.optim.Optimizer, config: OptimizerConfig, step: int, steps: int
) -> dict[str, float]:
    """Set each group's learning rate for ``step`` (from 0) of ``steps`` and return them by name.

    Source:
        mmcv's poly policy with a floor (golden ``schedule``): the floor is the same for both, so their
        ratio shrinks to 1 where it is not 0.
    """
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    rates = {}
    for group in optimizer.param_groups:
        rate = warmup * poly(step, steps, group["base_lr"], config.min_lr, config.power)
        group["lr"] = rates[group["name"]] = rate
    return rates


def clip_gradients(optimizer: torch.optim.Optimizer, max_norm: float) -> Float[Tensor, ""]:
    """Scale all gradients down to ``max_norm`` together (0: leave them) and return their norm before that."""
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = nn.utils.get_total_norm(p.grad for p in parameters if p.grad is not None)
    if max_norm > 0:
        nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm
