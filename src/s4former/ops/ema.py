"""The teacher as an exponential moving average (EMA) of the student."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from s4former import collectives


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, decay: float) -> None:
    """Move the teacher, in place: ``teacher = decay * teacher + (1 - decay) * student``.

    Parameters and floating-point buffers (as batch-norm statistics) are matched by name. Integer buffers (as
    batch counters) stay. The student may have parts that the teacher lacks, as auxiliary heads. Of sharded
    networks each process moves the rows that it holds of both.

    Raises:
        ValueError: If the student has no tensor of the same name and shape for one of the teacher's.
    """
    source = dict(_averaged(student))
    targets = dict(_averaged(teacher))
    unmatched = [
        name for name, tensor in targets.items() if name not in source or source[name].shape != tensor.shape
    ]
    if unmatched:
        raise ValueError(
            f"{len(unmatched)} tensors of the teacher have no counterpart of the same name and shape in the "
            f"student, the first is {unmatched[0]!r}; build the teacher as a copy of the student"
        )
    mine = [collectives.own_rows(tensor) for tensor in targets.values()]
    torch._foreach_lerp_(mine, [collectives.own_rows(source[name]) for name in targets], 1 - decay)


def warmed_decay(decay: float, step: int, warmup_steps: int) -> float:
    """Return the decay at a step, so that the teacher's memory grows evenly up to its full length.

    A decay is a memory of ``1 / (1 - decay)`` steps. It is 1 step (the student itself) at step 0 and full
    from ``warmup_steps`` on. With ``warmup_steps = 1 / (1 - decay) - 1`` this is ``1 - 1 / (step + 1)``.
    """
    if step >= warmup_steps or decay >= 1:
        return decay
    memory = 1 + (1 / (1 - decay) - 1) * step / warmup_steps
    return 1 - 1 / memory


def _averaged(module: nn.Module) -> Iterable[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from ((name, buffer) for name, buffer in module.named_buffers() if buffer.is_floating_point())
