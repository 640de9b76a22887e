"""PASA's bias in attention: as a matrix, folded into queries and keys, and with scores written out.

    python benchmarks/attention.py --out benchmarks/results/attention.json

Forward and backward of one image, 6 heads of 64 channels (ViT-S), one thread. Times are CPU seconds of the
process, as other programs may compute beside it; ways take turns, and medians of the rounds are shown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from s4former.config import versions
from s4former.config.record import hardware
from s4former.ops import adaptive_bias
from s4former.types import FactoredBias

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
    spent, results = defaultdict(list), {}
    for _ in range(rounds + 1):
        for name, way in ways(bias, dtype).items():
            inputs = [leaf.transpose(1, 2).detach().requires_grad_() for leaf in leaves]
            start = time.process_time()
            results[name] = way(*inputs)
            results[name].sum().backward()
            spent[name].append(time.process_time() - start)
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    for name in ("folded", "written out"):
        torch.testing.assert_close(results[name], results["matrix"], rtol=0, atol=tolerance)
    return {name: round(1000 * statistics.median(seconds[1:]), 2) for name, seconds in spent.items()}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    record = {"hardware": hardware(), "versions": versions(), "rounds": options.rounds, "milliseconds": {}}
    for dtype in ("float32", "bfloat16"):
        for side in GRIDS:
            found = measure(side, getattr(torch, dtype), options.rounds)
            record["milliseconds"][f"{dtype} {side}x{side}"] = found
            print(dtype, side, found, flush=True)
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
