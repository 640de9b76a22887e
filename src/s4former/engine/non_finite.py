"""A loss or a gradient that is no number: refused before the weights move, written down, and lived again.

``non_finite.json`` in the run folder names the step, the values and the files of its batch. As every draw is
keyed, `replay` needs no more than the last saved state to come to the same step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from s4former import collectives
from s4former.config.errors import NumericError, UserError
from s4former.config.invocation import invocation
from s4former.config.record import read_json, write_json
from s4former.curation.sources import open_source
from s4former.data.loader import TrainBatches, batch_iterator
from s4former.data.sources import Source
from s4former.data.split_lists import first_few
from s4former.engine import distributed
from s4former.engine.callbacks import Callback
from s4former.engine.checkpoint import Checkpoints
from s4former.engine.device import own_threads, set_up
from s4former.engine.folder import check_same, earlier_run
from s4former.engine.meter import Meter
from s4former.engine.prepare import prepare
from s4former.engine.run import Run
from s4former.engine.sharding import shards
from s4former.engine.state import Training, TrainState, why_no_state
from s4former.engine.step import learn, move

RECORD = "non_finite.json"


def refuse_non_finite(
    run: Run,
    folder: Path,
    step: int,
    drawn: TrainBatches,
    scalars: Mapping[str, Tensor],
    norm: Float[Tensor, ""],
) -> None:
    """Stop before the optimizer moves if the loss or the gradient is not finite.

    The host waits for the device here, once a step: the optimizer must not start before the answer is known.

    Args:
        run: The run.
        folder: Its folder, where what was found is written down.
        step: The step, from 0.
        drawn: The batches, to name the files of this one.
        scalars: The losses, the same in all processes.
        norm: The norm of the gradient.

    Raises:
        NumericError: With the step, what was not finite, the files, and what to type.
    """
    if torch.isfinite(scalars["loss"].detach() + norm):
        return
    values = _told(scalars, norm)
    found = _listed({name: value for name, value in values.items() if not _is_number(value)})
    files = [name for part in collectives.gathered(drawn.files(step)) for name in part]
    record = {"step": step + 1, "values": values, "files": files, "processes": collectives.world_size()}
    collectives.on_rank0(lambda: write_json(folder / RECORD, record))
    advice = [f"optimizer.lr={run.optimizer.lr / 2:g}"]
    if run.optimizer.max_grad_norm == 0:
        advice.append("optimizer.max_grad_norm=1")
    if run.precision != "float32":
        advice.append("precision=float32")
    raise NumericError(
        f"step {step + 1}: {found}. The optimizer did not move the weights. {Checkpoints(folder).kept()} "
        f"The batch was made of {first_few(files)}; {folder / RECORD} lists all of it, and "
        f"{invocation().replay} to take this step once more and see where it begins. "
        "A resumed run would come to the same point, so start another one with "
        f"{' '.join(advice)} and a new {invocation().out}."
    )


@own_threads()
@distributed.joined()
def replay(run: Run, folder: Path, progress: Callback | None = None, source: Source | None = None) -> None:
    """Take the step that was not finite once more, from the state saved last; nothing is written.

    Args:
        run: The run that stands in the folder.
        folder: The run folder.
        progress: Hears what is done.
        source: The run's data, if they are open already.

    Raises:
        NumericError: With what was found in the step, if it is not finite again.
        UserError: If there is no such step, or ``folder`` holds another run.
    """
    before = collectives.on_rank0(lambda: earlier_run(folder, resume=True))
    say = (progress or Callback()).on_message
    with collectives.raise_on_all_ranks():
        record, run = _recorded(folder), run.resolved(before)
        device = set_up(run.device, run.threads, run.deterministic)
        source = source or open_source(run.data)
        check_same(folder, run, source)
        state = Checkpoints(folder).load("cpu", in_pieces=shards(run), problem=why_no_state)
        ready = prepare(run, source, device, blank=state is not None)
    training = Training(TrainState(), ready.method, ready.optimizer, Meter())
    if state:
        training.load_state_dict(state)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        say(_once_more(run, training, ready.batches, device, record, say))


def _recorded(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = read_json(folder / RECORD)
        return {"step": int(record["step"]), "values": dict(record["values"]), "files": list(record["files"])}
    except FileNotFoundError:
        raise UserError(f"{folder} has no {RECORD}: no step of a run in it stopped being finite") from None
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{folder / RECORD} is damaged ({error}); {invocation().resume} to come to that step and have it "
            "written anew"
        ) from None


def _once_more(
    run: Run,
    training: Training,
    drawn: TrainBatches,
    device: torch.device,
    record: Mapping[str, Any],
    say: Callable[[str], None],
) -> str:
    """Take steps up to the recorded one, and return what it gave if that is finite."""
    state, last = training.state, record["step"] - 1
    if state.step > last:
        raise UserError(
            f"the states that are saved are beyond step {last + 1}, so it cannot be taken once more"
        )
    say(f"taking steps {state.step + 1} to {last + 1} once more; nothing is written")
    step_of = distributed.wrap(training.method)
    batches = batch_iterator(drawn, state.step, last + 1, run.data.num_workers, device)
    for batch in collectives.in_lockstep(batches):
        with _watched(training.method, on=state.step == last) as seen:
            scalars, norm, _ = learn(run, training, step_of, batch, None)
        if state.step < last:
            move(training)
    values = _told(scalars, norm)
    was = "as recorded" if values == record["values"] else f"recorded were {_listed(record['values'])}"
    said = f"step {last + 1} once more: {_listed(values)} ({was})"
    if not collectives.any_rank(not all(map(_is_number, values.values()))):
        return f"{said}; all of it is finite here"
    grads = {name: parameter.grad for name, parameter in training.method.named_parameters()}
    bad = [name for name, grad in grads.items() if grad is not None and not _finite(collectives.whole(grad))]
    raise NumericError(
        f"{said}. First layer whose output is not finite: {seen[0] if seen else 'none'}. "
        f"Gradients that are not finite: {first_few(bad) or 'none'}. "
        f"Files of the batch: {', '.join(record['files'])}"
    )


@contextmanager
def _watched(method: nn.Module, on: bool) -> Iterator[list[str]]:
    """Collect the names of layers whose output is not finite, inner ones first."""
    seen: list[str] = []

    def look(name: str, output: Any) -> None:
        parts = output if isinstance(output, tuple | list) else [output]
        if any(isinstance(part, Tensor) and not _finite(part) for part in parts):
            seen.append(name)

    layers = method.named_modules() if on else ()
    hooks = [
        layer.register_forward_hook(lambda _, __, output, name=name: look(name, output))
        for name, layer in layers
        if name
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _finite(value: Tensor) -> bool:
    return bool(value.isfinite().all())


def _told(scalars: Mapping[str, Tensor], norm: Tensor) -> dict[str, str]:
    """Return the values as texts that tell each bit of them; JSON has no word for NaN."""
    return {name: repr(float(value.detach())) for name, value in {**scalars, "gradient norm": norm}.items()}


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} is {value}" for name, value in values.items())


def _is_number(text: str) -> bool:
    return text not in ("nan", "inf", "-inf")
