"""The training loop."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from s4former import collectives
from s4former.curation.check import quick_check
from s4former.curation.sources import open_source
from s4former.data.loader import TrainBatches, batch_iterator
from s4former.data.sources import Source, split_ids
from s4former.engine import distributed
from s4former.engine.alarms import Alarms, read_alarms, standing
from s4former.engine.callbacks import Callback, Callbacks
from s4former.engine.checkpoint import Checkpoints
from s4former.engine.curves import Curves
from s4former.engine.device import fewer_threads, own_threads, set_up
from s4former.engine.diagnosis import Diagnoses
from s4former.engine.fallback import Fallback
from s4former.engine.folder import check_same, earlier_run, enter
from s4former.engine.interrupt import StopRequest, stopping_at_once
from s4former.engine.journal import JournalWriter, check_diaries
from s4former.engine.memory import memory_watched
from s4former.engine.meter import Meter
from s4former.engine.non_finite import refuse_non_finite
from s4former.engine.pace import Forecast
from s4former.engine.prepare import prepare
from s4former.engine.pseudo_label_panels import PseudoLabelPanels
from s4former.engine.run import Run
from s4former.engine.scorer import Scorer
from s4former.engine.sharding import shards
from s4former.engine.state import Training, TrainState, why_no_state
from s4former.engine.step import learn, move
from s4former.engine.writer import Outcome, RunFolderWriter


@own_threads()
@distributed.joined()
@stopping_at_once()
def train(
    run: Run,
    folder: Path,
    resume: bool = False,
    progress: Callback | None = None,
    config: str | None = None,
    source: Source | None = None,
) -> Outcome:
    """Train one run to its last step, together with the processes that this one was started with, if any.

    Args:
        run: What to train; each ``auto`` in it is resolved first.
        folder: The run folder, new or empty unless the run is resumed.
        resume: Go on from the state that ``folder`` holds, if any; the end is the same, to the bit on a CPU.
        progress: Shows it; nobody by default. It listens beside the run's own ``callbacks``.
        config: The recipe's name or the file that the run was read from, for ``run.json``.
        source: The run's data, if they are open already.

    Raises:
        UserError: If the run cannot be built, or ``folder`` holds another one.
        DataError: If the data set lacks something or holds a bad file.
        NumericError: If a loss or gradient stops being finite.
        OutOfMemory: If memory runs out; states that were saved before are kept.
        Interrupted: If a signal asked to stop; during steps the run is saved first.
    """
    before, checkpoints = collectives.on_rank0(lambda: earlier_run(folder, resume, run)), Checkpoints(folder)
    with collectives.raise_on_all_ranks():
        choose = run.threads == "auto" and not before
        run = run.resolved(before)
        fewer = fewer_threads(int(run.threads)) if choose else ""
        device = set_up(run.device, run.threads, run.deterministic)
        source = source or open_source(run.data)
        checked = None
        if before:
            check_same(folder, run, source)
        elif collectives.rank() == 0:
            checked = quick_check(source, run.data, run.used_splits)
        state = None
        if before:
            if collectives.rank() == 0:
                check_diaries(folder)
            state = checkpoints.load("cpu", in_pieces=shards(run), problem=why_no_state)
        ready = prepare(run, source, device, checked, blank=state is not None)
        meter = Meter(source.classes.names)
        training = Training(TrainState(), ready.method, ready.optimizer, meter)
        if state is not None:
            training.load_state_dict(state)
        diagnoses = Diagnoses(run, ready.batches, device)
        asked_for = Callbacks(*(config.build(folder) for config in run.callbacks), Curves(folder))
    collectives.require_same("the data set", source.fingerprint())
    collectives.on_rank0(lambda: enter(folder, run, source, before, config))
    emit = listeners(run, folder, source, progress or Callback(), asked_for)
    cuda = [device] if device.type == "cuda" else []
    with asked_for, torch.random.fork_rng(devices=cuda), memory_watched(run, checkpoints.kept):
        writer = RunFolderWriter(folder, run, source, ready.method, ready.batches.bad_unlabeled)
        fallback = Fallback(run, source, writer)
        for message in (opening(run, source), fewer, fallback.opening()):
            if message:
                emit.on_message(message)
        if state is not None:
            writer.forget_replaced_best(training.state)
        if before:
            emit.on_message(f"resuming after step {training.state.step} of {run.steps}")
        take_steps(run, training, ready.batches, diagnoses, fallback, writer, device, emit)
        return finish(training, fallback, writer, emit)


def listeners(run: Run, folder: Path, source: Source, shown: Callback, asked_for: Callback) -> Callbacks:
    """Return what listens to a run: all of it in process 0, nothing in the others."""
    if collectives.rank() > 0:
        return Callbacks()
    images, say = len(split_ids(source, run.evaluate.part)), shown.on_message
    return Callbacks(
        JournalWriter(folder), shown, asked_for, Forecast(run, images, say), Alarms(run, folder, say)
    )


def take_steps(
    run: Run,
    training: Training,
    drawn: TrainBatches,
    diagnoses: Diagnoses,
    fallback: Fallback,
    writer: RunFolderWriter,
    device: torch.device,
    emit: Callback,
) -> None:
    """Train from where a run stands to its last step.

    Raises:
        Interrupted: If a stop was asked for; the state is saved by then.
    """
    state, meter = training.state, training.meter
    step_of, due = distributed.wrap(training.method), partial(state.due, run.steps)
    checkpoints = Checkpoints(writer.folder)
    with StopRequest() as stop:
        scorer = Scorer(run, writer, drawn.source, emit, stop)
        pseudo_labels = PseudoLabelPanels(run, drawn.source, writer.folder, state.step)
        emit.on_start(state.step, run.steps)
        if due(run.evaluate_every) and state.scored_step < state.step:
            scorer.score(training)  # a stop kept an earlier process from it
        if stop.asked():
            raise stop.interrupted(state.step, run.steps, writer.folder)
        pseudo_labels.draw(training)
        batches = batch_iterator(drawn, state.step, run.steps, run.data.num_workers, device)
        for batch in collectives.in_lockstep(meter.timed(batches)):
            diagnosis = diagnoses.of(state.step)
            scalars, norm, rates = learn(run, training, step_of, batch, diagnosis)
            refuse_non_finite(run, writer.folder, state.step, drawn, scalars, norm)
            meter.add({**scalars, "gradient_norm": norm}, drawn.images(state.step))
            move(training)
            meter.diagnose(diagnosis)
            fallback.keep(state.step)
            emit.on_step(state.step)
            if due(run.log_every):
                emit.on_log(meter.line(state.step, rates))
            if due(run.evaluate_every):
                scorer.score(training)
            pseudo_labels.draw(training)
            stopping = stop.asked()
            if stopping or due(run.save_every):
                with meter.paused():
                    checkpoints.save(state.step, training.state_dict())
                writer.list_unreadable()
                emit.on_save(state.step)
            if stopping:
                raise stop.interrupted(state.step, run.steps, writer.folder)


def finish(training: Training, fallback: Fallback, writer: RunFolderWriter, emit: Callback) -> Outcome:
    """Write the model and the result of a run that has taken all its steps."""
    seconds = training.meter.seconds
    verdict = fallback.verdict(training)
    if verdict:
        emit.on_message(verdict.message)
    unreadable = writer.list_unreadable()
    if unreadable:
        emit.on_message(
            f"{unreadable} unlabeled images could not be read, and others took their places; they are "
            f"listed in {writer.folder / 'unreadable.jsonl'}"
        )
    if collectives.rank() == 0 and (alarms := standing(read_alarms(writer.folder))):
        emit.on_message(
            f"alarms that are not over: {', '.join(alarms)}; see {writer.folder / 'alarms.jsonl'}"
        )
    return writer.result(training.state, seconds, unreadable, verdict.record() if verdict else None)


def opening(run: Run, source: Source) -> str:
    """Return a sentence on what is about to be trained."""
    images, unused = f"{len(source.labeled)} labeled", len(source.unlabeled)
    if run.method.views.unlabeled:
        images, unused = f"{images} and {len(source.unlabeled)} unlabeled", 0
    lonely = run.method.views.unlabeled and not source.unlabeled
    # Their weight never falls, so the last step tells of all.
    unlearned = run.method.views.unlabeled and not lonely and not run.method.reads_unlabeled(run.steps - 1)
    nothing = "; the unlabeled ones weigh nothing in any step, so nothing is learned from them"
    sharded = " with sharded weights" if shards(run) else ""
    processes = f"{collectives.world_size()} processes{sharded}, " if collectives.world_size() > 1 else ""
    return (
        f"training {run.method.name} for {run.steps} step{'' if run.steps == 1 else 's'} on {images} images "
        f"({processes}{run.device}, {run.precision}, {run.threads} thread{'' if run.threads == 1 else 's'})"
        + (f"; {unused} unlabeled images are not looked at" if unused else "")
        + ("; none is unlabeled, so it is trained as by method=supervised" if lonely else "")
        + (nothing if unlearned else "")
    )
