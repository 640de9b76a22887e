"""Sharding: each process keeps some rows of every weight, its gradient and what the optimizer remembers.

This is PyTorch's FSDP2. The weights of a unit, as a block, are whole only while the unit computes.
"""

from __future__ import annotations

import warnings

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from s4former import collectives
from s4former.config.errors import UserError
from s4former.data.split_lists import first_few
from s4former.engine.run import Run
from s4former.methods import Method


def shards(run: Run) -> bool:
    """Return whether the processes share the weights of a run; one process alone has them all."""
    return run.parallel == "fsdp" and collectives.world_size() > 1


def shard(method: Method, device: torch.device) -> None:
    """Leave each process its rows of all parameters of a method, in place and on its device.

    Args:
        method: The method, the same in all processes.
        device: Of this process.

    Raises:
        UserError: If a parameter lies in no unit of a network.
    """
    # Features are views of tokens, but no head changes them in place; see `Segmenter.units`.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view")
    mesh = init_device_mesh(device.type, (collectives.world_size(),))
    for unit in (unit for network in method.networks.values() for unit in network.units()):
        # After each pass, as the teacher and what is saved look at shards.
        sharded = fully_shard(unit, mesh=mesh, reshard_after_forward=True)
        # Gloo has no mean: torch 2.8 takes the sum for it without a word.
        sharded.set_force_sum_reduction_for_comms(True)
    left = [name for name, parameter in method.named_parameters() if not collectives.is_sharded(parameter)]
    if left:
        raise UserError(
            f"parallel=fsdp shards the units that networks name, and these parameters of method "
            f"{method.config.name} lie in none: {first_few(left, 3)}. Type parallel=ddp, or name modules "
            "that hold them in `units` of the network"
        )
