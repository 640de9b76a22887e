"""Recomputing a head in the backward pass instead of keeping its maps: less memory for more time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(module: nn.Module, *inputs: Any) -> Tensor:
    """Return ``module(*inputs)``; its inner maps are computed again when their gradients are needed.

    Values, gradients and batch-norm statistics are those of a plain call, and so is what dropout drops.
    """
    result: Tensor = checkpoint(
        module,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=module.training,  # a head may drop by any layer, of its own too
        context_fn=lambda: (nullcontext(), _unmoved_statistics(module)),
    )
    return result


@contextmanager
def _unmoved_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norms see their batch without averaging it in: the first pass has done that."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.training]
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked -= 1
