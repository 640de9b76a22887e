"""The training loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from s4former import collectives
from s4former.config.errors import NumericError
from s4former.config.invocation import invocation
from s4former.curation.check import require_sound
from s4former.curation.sources import open_source
from s4former.data.loader import batch_iterator
from s4former.data.sources import Source
from s4former.engine import distributed
from s4former.engine.checkpoint import Checkpoints
from s4former.engine.device import fewer_threads, own_threads, set_up
from s4former.engine.folder import check_same, earlier_run, enter
from s4former.engine.keeper import Keeper, Outcome
from s4former.engine.memory import memory_watched
from s4former.engine.optim import clip_gradients, set_learning_rate
from s4former.engine.prepare import prepare
from s4former.engine.progress import Progress
from s4former.engine.run import Run
from s4former.engine.step import accumulate


@own_threads()
@distributed.joined()
def train(run: Run, folder: Path, resume: bool = False, progress: Progress | None = None) -> Outcome:
    """Train one run to its last step, together with the processes that this one was started with, if any.

    Args:
        run: What to train; each ``auto`` in it is resolved first.
        folder: The run folder, new or empty unless the run is resumed.
        resume: Go on from the state that ``folder`` holds, if any; the end is the same, to the bit on a CPU.
        progress: Who hears of it; nobody by default.

    Raises:
        UserError: If the run cannot be built, or ``folder`` holds another one.
        DataError: If the data set lacks something or holds a bad file.
        NumericError: If a loss or gradient stops being finite.
        OutOfMemory: If memory runs out; states that were saved before are kept.
        Interrupted: If SIGINT or SIGTERM asked to stop; the run is saved.
    """
    progress = progress if progress and collectives.rank() == 0 else Progress()
    before = collectives.on_rank0(lambda: earlier_run(folder, resume))
    with collectives.raise_on_all_ranks():
        choose = run.threads == "auto" and not before
        run = run.resolved(before)
        fewer = fewer_threads(int(run.threads)) if choose else ""
        device = set_up(run.device, run.threads, run.deterministic)
        source = open_source(run.data)
        checked = None
        if before:
            check_same(folder, run, source)
        elif collectives.rank() == 0:
            checked = require_sound(source, run.data, run.used_parts)
        state = Checkpoints(folder).load(map_location="cpu") if before else None
        ready = prepare(run, source, device, checked, blank=state is not None)
    method, optimizer, drawn = ready.method, ready.optimizer, ready.batches
    collectives.require_same("the data set", source.fingerprint())
    collectives.on_rank0(lambda: enter(folder, run, source, before))
    keeper = Keeper(run, folder, source, method, optimizer, progress, drawn.bad_unlabeled)
    step_of = distributed.wrap(method)

    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), keeper.stop, memory_watched(run, lambda: keeper.saved):
        progress.note(opening(run, source))
        if fewer:
            progress.note(fewer)
        if before:
            keeper.restore(state)
        progress.training(keeper.step, run.steps)
        pinned = device.type == "cuda"
        batches = batch_iterator(drawn, keeper.step, run.steps, run.data.num_workers, pinned)
        for batch in collectives.in_lockstep(batches):
            step = keeper.step
            rates = set_learning_rate(optimizer, run.optimizer, step, run.steps)

            out = accumulate(run, method, step_of, batch.to(device), step)
            norm = clip_gradients(optimizer, run.optimizer.max_grad_norm)
            scalars = distributed.averaged({"loss": out.loss, **out.scalars})
            refuse_non_finite(scalars, norm, keeper)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            method.after_update(step)

            keeper.after_step({**scalars, "gradient_norm": norm}, rates)
        return keeper.finish()


def refuse_non_finite(scalars: Mapping[str, Tensor], norm: Float[Tensor, ""], keeper: Keeper) -> None:
    """Stop before the optimizer moves if the loss or the gradient is not finite.

    The host waits for the device here, once a step: the optimizer must not start before the answer is known.

    Raises:
        NumericError: With the step, what was not finite, and what to type.
    """
    if torch.isfinite(scalars["loss"].detach() + norm):
        return
    run = keeper.run
    values = {**scalars, "gradient norm": norm}
    found = ", ".join(
        f"{name} is {float(value.detach())}" for name, value in values.items() if not value.isfinite()
    )
    advice = [f"optimizer.lr={run.optimizer.lr / 2:g}"]
    if run.optimizer.max_grad_norm == 0:
        advice.append("optimizer.max_grad_norm=1")
    if run.precision != "float32":
        advice.append("precision=float32")
    raise NumericError(
        f"step {keeper.step + 1}: {found}. The optimizer did not move the weights. {keeper.saved} "
        "A resumed run would come to the same point, so start another one with "
        f"{' '.join(advice)} and a new {invocation().out}."
    )


def opening(run: Run, source: Source) -> str:
    """Return a sentence on what is about to be trained."""
    images, unused = f"{len(source.labeled)} labeled", len(source.unlabeled)
    if run.method.views.unlabeled:
        images, unused = f"{images} and {len(source.unlabeled)} unlabeled", 0
    lonely = run.method.views.unlabeled and not source.unlabeled
    processes = f"{collectives.world_size()} processes, " if collectives.world_size() > 1 else ""
    return (
        f"training {run.method.name} for {run.steps} step{'' if run.steps == 1 else 's'} on {images} images "
        f"({processes}{run.device}, {run.precision}, {run.threads} thread{'' if run.threads == 1 else 's'})"
        + (f"; {unused} unlabeled images are not looked at" if unused else "")
        + ("; none is unlabeled, so it is trained as by method=supervised" if lonely else "")
    )
