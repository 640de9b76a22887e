"""What every backbone can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import (
    CheckpointPolicy,
    SelectiveCheckpointContext,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from s4former.types import AttentionBias, FactoredBias, Features, Images

# Fused attention on a CPU and on a GPU. Blocks that are computed again keep its output, which is no larger
# than their input: nothing else in them saves as much time for as little memory.
_FUSED_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.aten._scaled_dot_product_cudnn_attention.default,
}
# Products, and which of their arguments are the weights.
_PRODUCTS: dict[Any, int] = {torch.ops.aten.mm.default: 1, torch.ops.aten.addmm.default: 2}
if _onednn := getattr(
    torch.ops.mkldnn, "_linear_pointwise", None
):  # what `fast_linear` calls; builds may lack it
    _PRODUCTS[_onednn.default] = 1
# Devices on which attention takes a matrix faster than the further channels of `FactoredBias`.
_AS_MATRIX = ("cpu",)


class Backbone(nn.Module, ABC):
    """Turns images into feature grids: after some of its blocks, or stages of blocks.

    Attributes:
        out_indices: Blocks or stages whose outputs `forward` returns, ascending.
        patch_size: Sides of images must be multiples of it; an attention bias speaks of patches of this size.
        num_prefix_tokens: Class and register tokens that precede the patches in an attention bias.
        takes_factored_bias: Whether `forward` takes a bias by its factors; if not, it is given the matrix.
    """

    out_indices: tuple[int, ...]
    patch_size: int
    num_prefix_tokens: int = 0
    takes_factored_bias: bool = False

    @property
    @abstractmethod
    def depth(self) -> int:
        """Number of blocks or stages that a head can look at."""

    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Channels of each feature grid that `forward` returns."""

    @property
    @abstractmethod
    def trunk(self) -> list[nn.Module]:
        """The blocks in their order, those of all stages: what can be frozen or computed again."""

    @abstractmethod
    def keep(self, out_indices: tuple[int, ...]) -> None:
        """Return the outputs of these blocks or stages, ascending, and drop what comes after the last one."""

    @abstractmethod
    def forward(self, images: Images, attention_bias: AttentionBias | None = None) -> Features:
        """Return one "b d gh gw" grid for each of ``out_indices``."""

    def fit_positions(self, grid: tuple[int, int]) -> None:
        """Resize position embeddings, if there are any, to so many rows and columns of patches."""

    def freeze(self, count: int) -> None:
        """Take so many first blocks, and if any all that comes before them, out of training."""
        if count:
            trained = {id(p) for block in self.trunk[count:] for p in block.parameters()}
            for parameter in self.parameters():
                parameter.requires_grad_(id(parameter) in trained)

    def layers(self) -> list[list[nn.Parameter]]:
        """Return all parameters by layers: what comes before the blocks, block by block, and what comes last.

        What lies between two blocks, as the norm of a stage, goes with the one before it.
        """
        number_of = {id(p): number for number, block in enumerate(self.trunk, 1) for p in block.parameters()}
        found: list[list[nn.Parameter]] = [[] for _ in range(len(self.trunk) + 2)]
        here = 0
        for parameter in self.parameters():  # in the order in which a pass meets them
            here = number_of.get(id(parameter), here)
            last = here == len(self.trunk) and id(parameter) not in number_of
            found[-1 if last else here].append(parameter)
        return found

    def recompute(self) -> None:
        """Compute trained blocks again in the backward pass instead of keeping what is inside them.

        What is no larger than a block's input and costs most is kept: the output of fused attention, and of
        products that keep the width, as that behind it.
        """
        for block in self.trunk:
            # A partial is copied along with its block, as a teacher is made from a student.
            block.forward = partial(_recomputed, block)


def _recomputed(block: nn.Module, *inputs: Any, **named: Any) -> Any:
    plain: Callable[..., Any] = partial(type(block).forward, block)
    if torch.is_grad_enabled() and any(p.requires_grad for p in block.parameters()):
        keeping = partial(create_selective_checkpoint_contexts, _kept)
        return checkpoint(plain, *inputs, use_reentrant=False, context_fn=keeping, **named)
    return plain(*inputs, **named)


def _kept(_: SelectiveCheckpointContext, operation: Any, *given: Any, **named: Any) -> CheckpointPolicy:
    keeps = operation in _FUSED_ATTENTION
    if place := _PRODUCTS.get(operation):
        rows, columns = given[place].shape
        keeps = rows == columns
    return CheckpointPolicy.MUST_SAVE if keeps else CheckpointPolicy.PREFER_RECOMPUTE


def require_bias(bias: AttentionBias, count: int, length: int) -> None:
    """Raise ValueError unless ``bias`` is one of ``count`` images with ``length`` tokens each."""
    shape: tuple[int, ...] = tuple(bias.shape)
    if shape != (count, length, length):
        raise ValueError(
            f"attention_bias must be images x tokens x tokens = {count} x {length} x {length}, prefix tokens "
            f"included, got {' x '.join(map(str, shape))}"
        )


def score_bias(
    bias: Float[Tensor, "b q k"] | FactoredBias, like: Tensor
) -> Float[Tensor, "b 1 q k"] | FactoredBias:
    """Shape the bias for fused attention: one for all heads, in the type of the queries, rows aligned.

    Factors stay factors, so that nothing of tokens x tokens is kept; but on a CPU they are multiplied out
    once for all blocks, which is faster there (docs/speed.md).
    """
    if isinstance(bias, FactoredBias):
        if like.device.type not in _AS_MATRIX:
            return FactoredBias(bias.queries.detach()[:, None], bias.keys.detach()[:, None])
        bias = bias.matrix()
    device = like.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else like.dtype
    # Fused kernels on GPUs want rows to start at multiples of 16, and would copy the bias in every block.
    length = bias.shape[-1]
    aligned = F.pad(bias.detach().to(dtype), (0, -length % 16))[..., :length]
    return aligned[:, None]
