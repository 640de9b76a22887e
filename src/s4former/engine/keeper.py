"""Everything that leaves the training loop: lines, scores, panels, saved states and models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor

from s4former import collectives
from s4former.config.errors import Interrupted
from s4former.config.invocation import invocation
from s4former.config.record import read_json, write_json, write_text
from s4former.data.sources import Source, part_ids
from s4former.engine.checkpoint import Checkpoints
from s4former.engine.interrupt import StopRequest
from s4former.engine.journal import Journal, append_line, forget_after, read_lines
from s4former.engine.pace import Forecast
from s4former.engine.panels import Panel
from s4former.engine.progress import Progress
from s4former.engine.run import Run
from s4former.inference.card import CARD, ImageInput, ModelCard
from s4former.inference.evaluate import Answers, Pixels, evaluate, own_images
from s4former.inference.predict import Model, architecture_of, save_model
from s4former.methods import Method
from s4former.types import Segmenter


@dataclass(frozen=True)
class Outcome:
    """What a finished run leaves.

    Attributes:
        folder: The run folder.
        steps: Updates of the weights.
        deployed: The name of the network that ``model/`` holds.
        last: The lines of ``scores.jsonl`` after the last step, by network; empty without images to score on.
        best: The line of the deployed network at its best step, chosen on the part that it names.
    """

    folder: Path
    steps: int
    deployed: str
    last: dict[str, dict[str, Any]]
    best: dict[str, Any] | None

    def load(self) -> Model:
        """Return the trained model, as it is after the last step."""
        return Model.load(self.folder)


class _StopWhileScoring(Exception):
    """A stop was asked for in the middle of an evaluation."""


class Keeper:
    """Keeps the books of one run; the loop tells it of each step.

    Of several processes each has one, and they do the same at the same steps, but only the first one writes.

    Attributes:
        step: Updates done so far.
        stop: Whether somebody asked to stop.
    """

    def __init__(
        self,
        run: Run,
        folder: Path,
        source: Source,
        method: Method,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        unreadable: Mapping[str, str],
    ) -> None:
        self.run, self.folder, self.source = run, folder, source
        self.method, self.optimizer, self.progress = method, optimizer, progress
        self._unreadable = unreadable  # grows as batches are drawn
        self._writes = collectives.rank() == 0
        self.stop = StopRequest()
        self.step = 0
        self._scored_step = 0
        self._last: dict[str, dict[str, Any]] = {}
        self._best: dict[str, Any] | None = None
        self._checkpoints = Checkpoints(folder)
        images = run.data.labeled_batch_size
        if method.config.views.unlabeled and source.unlabeled:
            images += run.data.unlabeled_batch_size
        self._forecast = Forecast(run, len(part_ids(source, run.evaluate.part)))
        self._journal = Journal(folder / "journal.jsonl" if self._writes else None, run.log_every, images)

    def restore(self, state: dict[str, Any] | None) -> None:
        """Take the run up where it was saved; without a state it starts from the beginning."""
        if state:
            self.method.load_state_dict(state["method"])
            self.optimizer.load_state_dict(state["optimizer"])
            self._journal.load_state_dict(state["journal"])
            self.step, self._scored_step = state["step"], state["scored_step"]
            self._last, self._best = state["last"], state["best"]
            if self._best and _step_of(self.folder / "model_best") != self._best["step"]:
                self._best = None  # a later step took its place there before the run was killed
        for name in ("journal.jsonl", "scores.jsonl"):
            if self._writes:
                forget_after(self.folder / name, self.step)
        self.progress.note(f"resuming after step {self.step} of {self.run.steps}")
        self._score_if_due()
        if self._stop_asked():
            raise self._interrupted()

    def after_step(self, scalars: Mapping[str, Tensor], rates: Mapping[str, float]) -> None:
        """Count one update, and write, score and save what is due.

        Raises:
            Interrupted: If a stop was asked for; the state is saved by then.
        """
        self.step += 1
        self.progress.stepped(self.step)
        line = self._journal.note(self.step, scalars, rates, last=self.step == self.run.steps)
        if line:
            self.progress.line(line)
        forecast = self._forecast.after(self.step)
        if forecast:
            self.progress.note(forecast)
        self._score_if_due()
        stop = self._stop_asked()
        if stop or self._due(self.run.save_every):
            self._save()
        if stop:
            raise self._interrupted()

    def _stop_asked(self) -> bool:
        return collectives.any_rank(self.stop.requested)

    def _interrupted(self) -> Interrupted:
        return Interrupted(
            f"stopped after step {self.step} of {self.run.steps}, which is saved in {self.folder}; "
            f"{invocation().resume} to go on"
        )

    def finish(self) -> Outcome:
        """Write the model and the result of a run that has taken all its steps."""
        self._export("model", "after the last step", self._last.get(self._deployed))
        best = self._best and {**self._best, "chosen_on": self._best["part"]}
        unreadable = self._list_unreadable()
        if unreadable:
            self.progress.note(
                f"{unreadable} unlabeled images could not be read, and others took their places; they are "
                f"listed in {self.folder / 'unreadable.jsonl'}"
            )
        result = {
            "steps": self.step,
            "seconds": round(self._journal.seconds, 2),
            "finished": True,
            "unreadable_images": unreadable,
            "deployed": self._deployed,
            "last": self._last,
            "best": best,
        }
        if self._writes:
            write_json(self.folder / "result.json", result)
        return Outcome(self.folder, self.step, self._deployed, self._last, best)

    @property
    def saved(self) -> str:
        """A sentence on what there is to go back to."""
        step = self._checkpoints.newest_step()
        if step is None:
            return "No state had been saved yet."
        return f"The state after step {step} is kept in {self._checkpoints.folder}."

    @property
    def _deployed(self) -> str:
        return self.method.deployed

    def _due(self, every: int) -> bool:
        return self.step == self.run.steps or (every > 0 and self.step % every == 0)

    def _score_if_due(self) -> None:
        """Score what this step asks for, unless that was done before the run was interrupted."""
        nothing_to_score = self.run.evaluate.part == "val" and not self.source.val
        if not self.step or nothing_to_score or self._scored_step == self.step:
            return
        if not self._due(self.run.evaluate_every) or self._stop_asked():
            return
        try:
            self._forecast.interrupted()
            with self._journal.paused():
                self._score(self.method.networks)
        except _StopWhileScoring:
            return  # scored when the run is resumed
        self._scored_step = self.step

    def _score(self, networks: Mapping[str, Segmenter]) -> None:
        panel = Panel(self.source.classes.colors, self.run.data.display_channels)

        def on_image(
            number: int, id: str, image: Pixels, mask: Integer[np.ndarray, "h w"], answers: Answers
        ) -> None:
            if self.stop.requested:
                raise _StopWhileScoring
            panel.add(image, mask, answers[self._deployed])
            self.progress.evaluated_image()

        run = self.run
        self.progress.evaluating(own_images(self.source, run.evaluate.part))
        results = evaluate(networks, self.source, run.evaluate, run.device, run.precision, on_image)
        lines = {
            name: {"step": self.step, "network": name, "deployed": name == self._deployed, **result.record()}
            for name, result in results.items()
        }
        if self._writes:
            for line in lines.values():
                append_line(self.folder / "scores.jsonl", line)
            panel.save(self.folder / "panels" / f"step_{self.step:08d}.png")
        self._last = lines
        self.progress.scores(lines.values())
        own = lines[self._deployed]
        if own["miou"] is not None and (self._best is None or own["miou"] > self._best["miou"]):
            self._best = own
            self._export("model_best", f"the best mIoU on {own['part']} during training", own)

    def _save(self) -> None:
        state = {
            "step": self.step,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "journal": self._journal.state_dict(),
            "scored_step": self._scored_step,
            "last": self._last,
            "best": self._best,
        }
        self._forecast.interrupted()
        with self._journal.paused():
            collectives.on_rank0(lambda: self._checkpoints.save(self.step, state))
        self._list_unreadable()

    def _list_unreadable(self) -> int:
        """Write which unlabeled images could not be read and were replaced so far, and return how many."""
        path = self.folder / "unreadable.jsonl"
        found = {line["id"]: line["message"] for line in read_lines(path)}  # before the run was resumed
        for messages in collectives.gathered(dict(self._unreadable)):
            found |= messages
        if self._writes and found:
            lines = ({"id": id, "message": message} for id, message in sorted(found.items()))
            write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
        return len(found)

    def _export(self, name: str, chosen: str, score: dict[str, Any] | None) -> None:
        if not self._writes:
            return
        run, classes = self.run, self.source.classes
        card = ModelCard(
            architecture=architecture_of(self.method.networks[self._deployed]),
            input=ImageInput.model_validate(
                {name: getattr(run.data, name) for name in ImageInput.model_fields}
            ),
            names=classes.names,
            colors=classes.colors,
            ignore=classes.ignore,
            values=classes.values,
            crop_size=run.data.crop,
            evaluate=run.evaluate,
            method=run.method.model_dump(mode="json"),
            step=self.step,
            network=self._deployed,
            chosen=chosen,
            score=score,
        )
        save_model(self.folder / name, self.method.networks[self._deployed], card)


def _step_of(model: Path) -> int | None:
    """Return the step that a model folder holds, if it holds one."""
    try:
        return int(read_json(model / CARD)["step"])
    except (OSError, ValueError):
        return None
