"""Tensors of which each process holds some rows, as those of sharded networks; one process has them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeGuard

from torch import Tensor

from s4former.collectives.batch import rank, world_size

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def is_sharded(tensor: object) -> TypeGuard[DTensor]:
    """Return whether each process holds some rows of a tensor, as PyTorch's `DTensor` tells."""
    if world_size() == 1:
        return False
    from torch.distributed.tensor import DTensor  # late: half a second that one process never needs

    return isinstance(tensor, DTensor)


def any_sharded(tensors: Iterable[object]) -> bool:
    """Return whether one of some tensors is sharded."""
    return world_size() > 1 and any(map(is_sharded, tensors))


def own_rows(tensor: Tensor) -> Tensor:
    """Return what this process holds of a tensor: the same memory, outside of what takes gradients."""
    return tensor.to_local() if is_sharded(tensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with all rows; of a sharded one every process has to ask."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor


def assembled(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with all rows on the CPU of process 0, and nothing elsewhere; every process has to ask.

    No other process ever holds more than one of them whole.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        complete = whole(tensor.detach())
        if rank() == 0:
            found[name] = complete.cpu()
    return found
