"""An attention bias that is a product of a few numbers a query and a few a key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class FactoredBias:
    """The bias ``queries @ keys.T``, of which only the factors are kept.

    Where torch's fused attention is given one as its mask, the factors become further channels of queries and
    keys: ``[q, queries] @ [k, keys / scale].T`` are the biased scores, so nothing of tokens x tokens is
    stored, and kernels that take no mask stay in use. For any other function of torch it is its `matrix`. So
    every attention of timm takes it, as it takes PyTorch's own ``torch.nn.attention.bias.CausalBias``.

    Attributes:
        queries: What each query weighs each of ``r`` rows of keys with.
        keys: Those rows; both may have an axis of heads, or of length 1 for all, before that of tokens.
    """

    queries: Float[Tensor, "*b n r"]
    keys: Float[Tensor, "*b m r"]

    @property
    def shape(self) -> torch.Size:
        """The shape of its matrix."""
        return torch.Size((*self.queries.shape[:-1], self.keys.shape[-2]))

    @property
    def dtype(self) -> torch.dtype:
        """The type of its numbers."""
        return self.keys.dtype

    def matrix(self) -> Float[Tensor, "*b n m"]:
        """Return the bias of all pairs [query, key]."""
        return self.queries @ self.keys.mT

    def __add__(self, other: FactoredBias | Tensor) -> FactoredBias | Tensor:
        """Return the sum of two biases, whose factors stand side by side; one with a matrix is a matrix."""
        if not isinstance(other, FactoredBias):
            return self.matrix() + other
        pairs = ((self.queries, other.queries), (self.keys, other.keys))
        return FactoredBias(*(torch.cat(pair, dim=-1) for pair in pairs))

    __radd__ = __add__

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Fold into fused attention; be a matrix elsewhere."""
        given = kwargs or {}
        if function is F.scaled_dot_product_attention and isinstance(given.get("attn_mask"), cls):
            return _folded(*args, **given)
        return function(*map(_plain, args), **{name: _plain(each) for name, each in given.items()})


def _plain(value: Any) -> Any:
    return value.matrix() if isinstance(value, FactoredBias) else value


def _folded(
    query: Float[Tensor, "b h n d"],
    key: Float[Tensor, "b h m d"],
    value: Float[Tensor, "b h m v"],
    attn_mask: FactoredBias,
    scale: float | None = None,
    **options: Any,
) -> Float[Tensor, "b h n v"]:
    """Return fused attention whose scores have the bias, by channels that queries and keys get for it."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    rank, width = attn_mask.queries.shape[-1], value.shape[-1]
    # Kernels of GPUs want multiples of 8 channels, those of a CPU take any number.
    padding = -(query.shape[-1] + rank) % 8 if query.device.type == "cuda" else 0

    def widened(channels: Tensor, factors: Tensor) -> Tensor:
        own = F.pad(factors.to(channels.dtype), (0, padding)).expand(*channels.shape[:-1], -1)
        return torch.cat([channels, own], dim=-1)

    gathered = F.scaled_dot_product_attention(
        widened(query, attn_mask.queries),
        widened(key, attn_mask.keys / scale),
        F.pad(value, (0, query.shape[-1] + rank + padding - width)),  # flash kernels want equal widths
        scale=scale,
        **options,
    )
    return gathered[..., :width]
