"""Scores of a run on its way."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property

from s4former import collectives
from s4former.data.sources import Source
from s4former.engine.callbacks import Callback, panel_path
from s4former.engine.interrupt import StopRequest
from s4former.engine.panels import Panel, shown_ids
from s4former.engine.run import Run
from s4former.engine.state import Lines, Training
from s4former.engine.writer import RunFolderWriter
from s4former.inference.scoring import Pictures, evaluate, own_images
from s4former.methods import Method


class _StopWhileScoring(Exception):
    """A stop was asked for in the middle of an evaluation."""


class Scorer:
    """Scores the networks of a run, draws ``panels/`` and keeps the best model.

    Args:
        run: The run.
        writer: Writes its best model.
        source: Its data.
        emit: Listens to it.
        stop: Ends an evaluation; it is made up for when the run is resumed.
    """

    def __init__(
        self, run: Run, writer: RunFolderWriter, source: Source, emit: Callback, stop: StopRequest
    ) -> None:
        self._run, self._writer, self._source = run, writer, source
        self._emit, self._stop = emit, stop

    def score(self, training: Training) -> None:
        """Score the networks as they are, unless there is nothing to score or a stop is asked for."""
        if (self._run.evaluate.part == "val" and not self._source.val) or self._stop.asked():
            return
        state, deployed = training.state, training.method.deployed
        with training.meter.paused(), suppress(_StopWhileScoring):
            lines = self._lines(training.method, state.step)
            self._emit.on_score([*lines.values()])
            if state.record(lines, deployed):
                self._writer.best(state)

    def _lines(self, method: Method, step: int) -> Lines:
        run, source, deployed = self._run, self._source, method.deployed
        columns = ("image", "truth", f"{deployed}, step {step}")
        panel = Panel(source.classes, columns, run.data.display_channels)

        def on_image() -> None:
            if self._stop.requested:
                raise _StopWhileScoring
            self._emit.on_image()

        pictures = Pictures(
            lambda id, image, mask, answers: panel.add(id, image, mask, answers[deployed]), self._shown
        )
        self._emit.on_evaluate(own_images(source, run.evaluate.part))
        results = evaluate(
            method.networks,
            source,
            run.evaluate,
            run.device,
            run.precision,
            on_image,
            pictures,
            run.data.num_workers,
        )
        panel.save(panel_path(self._writer.folder, step), self._shown)
        if collectives.rank() == 0:
            self._writer.confusion(step, results[deployed])
        return {
            name: {"step": step, "network": name, "deployed": name == deployed, **result.record()}
            for name, result in results.items()
        }

    @cached_property
    def _shown(self) -> list[str]:
        """The images that panels show."""
        return collectives.on_rank0(lambda: shown_ids(self._source, self._run.evaluate.part))
