"""PASA's bias in attention: as a matrix, folded into queries and keys, and with scores written out.

    python benchmarks/attention.py --out benchmarks/results/attention.json

Forward and backward of one image, 6 heads of 64 channels (ViT-S), one thread. Times are CPU seconds of the
process, as other programs may compute beside it; ways take turns, and medians of the rounds are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from s4former.ops import adaptive_bias
from s4former.types import FactoredBias
from taking_turns import main, seconds_of

HEADS, WIDTH = 6, 64
GRIDS = (12, 32, 37, 64)


def ways(bias: FactoredBias, dtype: torch.dtype) -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    """Return the ways of adding a bias, by name; the matrix is made once for all blocks, as in a backbone."""
    factors = FactoredBias(bias.queries[:, None], bias.keys[:, None])
    matrix = factors.matrix().to(dtype)
    attend = F.scaled_dot_product_attention
    return {
        "none": attend,
        "matrix": lambda q, k, v: attend(q, k, v, attn_mask=matrix),
        "folded": lambda q, k, v: attend(q, k, v, attn_mask=factors),  # type: ignore[arg-type]
        "written out": lambda q, k, v: ((q * WIDTH**-0.5) @ k.mT + matrix).softmax(-1) @ v,
    }


def measure(side: int, dtype: torch.dtype, rounds: int) -> dict[str, float]:
    """Return the milliseconds of each way."""
    tokens = side * side + 1
    random = torch.Generator().manual_seed(0)
    bias = adaptive_bias(torch.rand(1, side, side, generator=random), 5.0, 1)
    leaves = [torch.randn(1, tokens, HEADS, WIDTH, generator=random).to(dtype) for _ in range(3)]
    results: dict[str, Tensor] = {}

    def attend(name: str, way: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        results[name] = way(*(leaf.transpose(1, 2).detach().requires_grad_() for leaf in leaves))
        results[name].sum().backward()

    spent = seconds_of({name: partial(attend, name, way) for name, way in ways(bias, dtype).items()}, rounds)
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    for name in ("folded", "written out"):
        torch.testing.assert_close(results[name], results["matrix"], rtol=0, atol=tolerance)
    return {name: round(1000 * seconds, 2) for name, seconds in spent.items()}


def all_sizes(rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield what each type and size takes."""
    for dtype in ("float32", "bfloat16"):
        for side in GRIDS:
            yield f"{dtype} {side}x{side}", measure(side, getattr(torch, dtype), rounds)


if __name__ == "__main__":
    main(__doc__, 7, "milliseconds", all_sizes)
