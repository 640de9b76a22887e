"""What a step has to know of the global batch when several processes share it; one process knows it anyway.

Images of the global batch are numbered across processes: those of process 0, then those of process 1, and so
on, as many in each. Every process returns losses and scalars whose *mean over the processes* is the value of
the global batch: that mean is what gradients are of and what is logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch import distributed as dist


def rank() -> int:
    """Return the number of this process among those that train together, 0 if it is alone."""
    return dist.get_rank() if _together() else 0


def world_size() -> int:
    """Return the number of processes that train together, 1 if there is only this one."""
    return dist.get_world_size() if _together() else 1


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()


def global_indices(count: int) -> range:
    """Return the numbers that ``count`` images of this process have in the global batch."""
    return range(rank() * count, (rank() + 1) * count)


_part = (0, 1)


@contextmanager
def learning_part(index: int, count: int) -> Iterator[None]:
    """Learn part ``index`` of the ``count`` equal parts of this process's images: `drop` has to know."""
    global _part
    _part = (index, count)
    try:
        yield
    finally:
        _part = (0, 1)


def next_images(own: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
    """Return for each image its successor in the global batch; the first one follows the last.

    Raises:
        ValueError: If ``own`` needs a gradient that would have to cross processes: mix before the network.
    """
    if world_size() == 1:
        return own.roll(-1, 0)
    if own.requires_grad:
        raise ValueError("the next image may be in another process, where no gradient reaches; detach it")
    first = own[:1].contiguous()
    received = torch.empty_like(first)
    before, after = (rank() - 1) % world_size(), (rank() + 1) % world_size()
    exchange = [dist.P2POp(dist.isend, first, before), dist.P2POp(dist.irecv, received, after)]
    for request in dist.batch_isend_irecv(exchange):
        request.wait()
    return torch.cat([own[1:], received])


def reversed_images(own: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
    """Return for each image the one at its place in the reversed global batch: of n images, i and n - 1 - i.

    Raises:
        ValueError: If ``own`` needs a gradient that would have to cross processes: mix before the network.
    """
    partner = world_size() - 1 - rank()
    if partner == rank():
        return own.flip(0)
    if own.requires_grad:
        raise ValueError("the partner is in another process, where no gradient reaches; detach it")
    turned = own.flip(0).contiguous()
    received = torch.empty_like(turned)
    exchange = [dist.P2POp(dist.isend, turned, partner), dist.P2POp(dist.irecv, received, partner)]
    for request in dist.batch_isend_irecv(exchange):
        request.wait()
    return received


def normalize_by(count: Int[Tensor, ""]) -> Shaped[Tensor, ""]:
    """Return what a sum of this process is divided by to be a global mean, on the mean over processes.

    Args:
        count: What this process has of the things that are counted; in all they count as one at least.
    """
    if world_size() == 1:
        return count.clamp_min(1)
    return total(count).clamp_min(1) / world_size()


def total(value: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Return the sum over all processes, the same bits in each; gradients go back to all of them."""
    if world_size() == 1:
        return value
    result: Tensor = _Total.apply(value)
    return result


class _Total(torch.autograd.Function):
    """A sum that every process needs, so its gradient is the sum of what they all make of it."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return _summed(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _summed(value: Tensor) -> Tensor:
    summed = value.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(summed)
    return summed


def drop(
    x: Float[Tensor, "b ..."], probability: float, shape: tuple[int, ...], scale: bool = True
) -> Float[Tensor, "b ..."]:
    """Leave parts of each image out, drawn with torch's generator, which all processes have seeded alike.

    Args:
        x: Features of the images of this process, or of the part that is being learned.
        probability: Chance of a part to be dropped.
        shape: Parts of one image, as in ``(channels, 1, 1)``.
        scale: Whether the others grow, so that the mean stays.
    """
    (index, parts), count = _part, x.shape[0]
    start = (rank() * parts + index) * count
    keep = x.new_empty(count * parts * world_size(), *shape).bernoulli_(1 - probability)[
        start : start + count
    ]
    return x * (keep / (1 - probability) if scale else keep)


def batch_norm(
    x: Float[Tensor, "b d h w"],
    weight: Float[Tensor, " d"],
    bias: Float[Tensor, " d"],
    running_mean: Float[Tensor, " d"],
    running_var: Float[Tensor, " d"],
    momentum: float,
    eps: float,
) -> Float[Tensor, "b d h w"]:
    """Normalize with the statistics of the global batch, and average them into the running ones, in place.

    Source:
        ``torch.nn.functional.batch_norm`` of the global batch, values and gradients to rounding.
    """
    axes, count = (0, 2, 3), x.numel() // x.shape[1] * world_size()
    values = x.float()
    mean = total(values.sum(axes)) / count
    centered = values - mean[:, None, None]
    variance = total(centered.square().sum(axes)) / count
    with torch.no_grad():
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * (count / max(count - 1, 1)), momentum)
    scale = weight * (variance + eps).rsqrt()
    return (centered * scale[:, None, None] + bias[:, None, None]).to(x.dtype)
