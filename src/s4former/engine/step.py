"""One step of training up to the optimizer: a batch, learned whole or in parts."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from s4former import collectives
from s4former.config.errors import UserError
from s4former.engine import distributed
from s4former.engine.device import seed_layers
from s4former.engine.optim import clip_gradients, set_learning_rate
from s4former.engine.run import Run
from s4former.engine.state import Training
from s4former.inference.device import autocast
from s4former.methods import Method
from s4former.methods.parts import Diagnosis, diagnosing
from s4former.types import Batch, Segmenter, StepOutput


def build_method(run: Run, student: Segmenter) -> Method:
    """Return the method of a run, if it can work with the run's crops.

    Raises:
        UserError: If not.
    """
    method = run.method.build(student)
    try:
        method.check(run.data.crop)
    except ValueError as error:
        raise UserError(f"data.crop_size={run.data.crop_size} does not fit: {error}") from None
    return method


def learn(
    run: Run, training: Training, step_of: nn.Module, batch: Batch, diagnosis: Diagnosis | None
) -> tuple[dict[str, Tensor], Float[Tensor, ""], dict[str, float]]:
    """Compute the gradients of the next step, clipped.

    Returns:
        Losses and other scalars of the global batch, the gradient's norm, and the learning rates.
    """
    optimizer, step = training.optimizer, training.state.step
    rates = set_learning_rate(optimizer, run.optimizer, step, run.steps)
    out = accumulate(run, training.method, step_of, batch, step, diagnosis)
    norm = clip_gradients(optimizer, run.optimizer.max_grad_norm)
    return distributed.averaged({"loss": out.loss, **out.scalars}), norm, rates


def move(training: Training) -> None:
    """Take the step whose gradients are there."""
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    training.method.after_update(training.state.step)
    training.state.step += 1


def accumulate(
    run: Run,
    method: Method,
    step_of: nn.Module,
    batch: Batch,
    step: int,
    diagnosis: Diagnosis | None = None,
) -> StepOutput:
    """Add the gradients of one batch, learned in ``run.accumulate`` equal parts, and return its loss.

    Args:
        run: The run.
        method: The method.
        step_of: What to call for the loss: the method, or what wraps it for several processes.
        batch: This process's share of the step's batch, on the device.
        step: The step.
        diagnosis: Counts what the pseudo-labels are like; none: nobody does.
    """
    parts = run.accumulate
    with diagnosing(diagnosis), autocast(run.device, run.precision):
        targets = method.prepare(batch)
    losses, scalars = [], dict[str, Tensor]()
    for index in range(parts):
        seed_layers(run.seed, step)
        with distributed.syncing(step_of, last=index == parts - 1), collectives.learning_part(index, parts):
            with diagnosing(diagnosis), autocast(run.device, run.precision):
                out = step_of(batch.part(index, parts), targets.part(index, parts))
            out.loss.backward()
        losses.append(out.loss.detach())
        for name, value in out.scalars.items():
            scalars[name] = scalars[name] + value if name in scalars else value
    return StepOutput(sum(losses[1:], losses[0]), {**scalars, **targets.scalars})
