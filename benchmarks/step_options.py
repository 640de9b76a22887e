"""What single choices are worth in a step: shared passes, channels-last heads, fused AdamW, torch.compile.

    python benchmarks/step_options.py --out benchmarks/results/step_options.json

The network is that of `step.py`'s small_2x2_256. Pairs take turns in one process on one thread; times are its
CPU seconds, forward and backward, as medians of the rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from s4former.models import ViTSegmenter, build_segmenter, faster_on_cpu
from s4former.ops import adaptive_bias
from s4former.types import FactoredBias
from step import NUM_CLASSES, PRESETS
from taking_turns import main, seconds_of

PRESET = PRESETS["small_2x2_256"]
SIZE = (PRESET.crop, PRESET.crop)


def network() -> ViTSegmenter:
    """Return the network of the preset."""
    made = build_segmenter(PRESET.model, NUM_CLASSES, seed=0).train()
    faster_on_cpu(made)
    return made


def passes() -> dict[str, Callable[[], object]]:
    """Return the student's passes over labeled, biased and mixed images: three, or all in one."""
    student = network()
    views = [torch.rand(PRESET.images, 3, *SIZE) for _ in range(3)]
    own = adaptive_bias(torch.rand(PRESET.images, SIZE[0] // 16, SIZE[1] // 16), 5.0, 1)
    none = torch.zeros_like(own.queries)
    whole = FactoredBias(torch.cat([none, own.queries, none]), torch.cat([none, own.keys, none]))

    def backward(*grids: torch.Tensor) -> None:
        torch.stack([grid.float().square().mean() for grid in grids]).sum().backward()

    def three() -> None:
        biases = (None, own, None)
        backward(*(g for view, bias in zip(views, biases, strict=True) for g in student.encode(view, bias)))

    return {"three": three, "one": lambda: backward(*student.encode(torch.cat(views), whole))}


def heads() -> dict[str, Callable[[], object]]:
    """Return passes through the head with weights in both orders."""
    ways: dict[str, Callable[[], object]] = {}
    for name, order in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
        student = network()
        student.head.to(memory_format=order)
        with torch.no_grad():
            grids = student.encode(torch.rand(PRESET.images, 3, *SIZE))
        ways[name] = lambda student=student, grids=grids: (
            student.decode(grids, SIZE).float().mean().backward()
        )
    return ways


def optimizers() -> dict[str, Callable[[], object]]:
    """Return steps of AdamW by how it is computed."""
    ways: dict[str, Callable[[], object]] = {}
    for name in ("fused", "foreach", "one by one"):
        student = network()
        for parameter in student.parameters():
            parameter.grad = torch.rand_like(parameter)
        kind = {name: True} if name in ("fused", "foreach") else {"foreach": False}
        ways[name] = torch.optim.AdamW(student.parameters(), **kind).step
    return ways


def compiled() -> dict[str, Callable[[], object]]:
    """Return passes through the backbone, its blocks compiled or not."""
    ways: dict[str, Callable[[], object]] = {}
    images = torch.rand(PRESET.images, 3, *SIZE)
    for name in ("as they are", "compiled"):
        student = network()
        if name == "compiled":
            for block in student.backbone.trunk:
                block.compile()
        ways[name] = lambda student=student: (
            torch.stack([g.float().square().mean() for g in student.encode(images)]).sum().backward()
        )
    return ways


def all_choices(rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield what the ways of each choice take, in both precisions."""
    for precision in ("float32", "bfloat16"):
        for choice in (passes, heads, optimizers, compiled):
            ways = choice()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                spent = seconds_of(ways, rounds)
            yield (
                f"{choice.__name__} {precision}",
                {name: round(seconds, 4) for name, seconds in spent.items()},
            )


if __name__ == "__main__":
    main(__doc__, 5, "seconds", all_choices)
