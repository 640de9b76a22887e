"""What a run leaves in its folder besides its lines and states: models, lists and the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s4former import collectives
from s4former.config.record import read_json, read_lines, versions, write_json, write_text
from s4former.data.sources import Source
from s4former.engine.alarms import read_alarms
from s4former.engine.run import Run
from s4former.engine.state import TrainState
from s4former.inference.card import CARD, ImageInput, ModelCard, TrainedOn
from s4former.inference.predict import Model, architecture_of, save_model
from s4former.inference.scoring import Evaluation
from s4former.methods import Method

BEFORE = "model_before"
"""The network from before unlabeled images took part, if a run keeps it."""
_LAST = "model_last"


@dataclass(frozen=True)
class Outcome:
    """What a finished run leaves.

    Attributes:
        folder: The run folder.
        steps: Updates of the weights.
        deployed: The name of the network that ``model/`` holds.
        last: The lines of ``scores.jsonl`` after the last step, by network; empty without images to score on.
        best: The line of the deployed network at its best step, chosen on the split that it names.
        fall_back: What came of the comparison with the network from before unlabeled images took part; none
            if it was not asked for.
    """

    folder: Path
    steps: int
    deployed: str
    last: dict[str, dict[str, Any]]
    best: dict[str, Any] | None
    fall_back: dict[str, Any] | None = None

    def load(self) -> Model:
        """Return the trained model, as it is after the last step unless the run fell back."""
        return Model.load(self.folder)


@dataclass(frozen=True)
class RunFolderWriter:
    """Writes into a run folder; of several processes each has one, and only the first one writes.

    Attributes:
        folder: The run folder.
        run: The run.
        source: Its data.
        method: What is trained.
        unreadable: Unlabeled images that this process could not read: message by id. It grows.
    """

    folder: Path
    run: Run
    source: Source
    method: Method
    unreadable: Mapping[str, str]

    def model(
        self,
        name: str,
        step: int,
        chosen: str,
        score: Mapping[str, Any] | None,
        best: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the deployed network into the folder ``name``, with its score and the best one so far."""
        run, classes, deployed = self.run, self.source.classes, self.method.deployed
        taken = {field: getattr(run.data, field) for field in ImageInput.model_fields}
        card = ModelCard(
            architecture=architecture_of(self.method.networks[deployed]),
            input=ImageInput.model_validate(taken),
            names=classes.names,
            colors=classes.colors,
            ignore=classes.ignore,
            values=classes.values,
            crop_size=run.data.crop,
            evaluate=run.evaluate,
            method=run.method.model_dump(mode="json"),
            step=step,
            network=deployed,
            chosen=chosen,
            score=score and dict(score),
            trained_on=self._trained_on(best),
        )
        save_model(self.folder / name, self.method.networks[deployed], card)

    def confusion(self, step: int, scored: Evaluation) -> None:
        """Write ``confusion.json``, the pixels of the deployed network by [label, prediction]."""
        assert scored.matrix is not None
        about = {"step": step, "network": self.method.deployed, "part": scored.split, "names": scored.names}
        content = json.dumps({**about, "matrix": scored.matrix.tolist()})
        write_text(self.folder / "confusion.json", f"{content}\n")

    def _trained_on(self, best: Mapping[str, Any] | None) -> TrainedOn:
        run, source = self.run, self.source
        start = "another model" if run.load_from else Path(run.model.pretrained).name
        return TrainedOn(
            labeled=len(source.labeled),
            unlabeled=len(source.unlabeled),
            val=len(source.val),
            pretrained=start,
            seed=run.seed,
            version=versions()["s4former"],
            best=best and dict(best),
        )

    def best(self, state: TrainState) -> None:
        """Write ``model_best/``."""
        assert state.best
        chosen = f"the best mIoU on {state.best['part']} during training"
        self.model("model_best", state.step, chosen, state.best, state.best)

    def forget_replaced_best(self, state: TrainState) -> None:
        """Forget the best step of a resumed run if a later one took its place before the run was killed."""
        if state.best and _step_of(self.folder / "model_best") != state.best["step"]:
            state.best = None

    def list_unreadable(self) -> int:
        """Write which unlabeled images could not be read and were replaced so far, and return how many."""
        path = self.folder / "unreadable.jsonl"
        found = {line["id"]: line["message"] for line in read_lines(path)}  # before the run was resumed
        for messages in collectives.gathered(dict(self.unreadable)):
            found |= messages
        if collectives.rank() == 0 and found:
            lines = ({"id": id, "message": message} for id, message in sorted(found.items()))
            write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
        return len(found)

    def result(
        self, state: TrainState, seconds: float, unreadable: int, fall_back: dict[str, Any] | None = None
    ) -> Outcome:
        """Write ``model/`` and ``result.json`` of a run that has taken all its steps.

        Args:
            state: Where it stands.
            seconds: What it took.
            unreadable: How many unlabeled images were replaced.
            fall_back: What the comparison with the network before said, if it was made.
        """
        deployed, fell_back = self.method.deployed, bool(fall_back and fall_back["fell_back"])
        last = _LAST if fell_back else "model"
        score = state.last.get(deployed)
        self.model(last, state.step, "after the last step", score, state.best)
        if fell_back:
            self._return_to_before()
        best = state.best and {**state.best, "chosen_on": state.best["part"]}
        result = {
            "steps": state.step,
            "seconds": round(seconds, 2),
            "finished": True,
            "unreadable_images": unreadable,
            "deployed": deployed,
            "last": state.last,
            "best": best,
            "fall_back": fall_back,
            "pseudo_labels": _last_diagnosis(self.folder),
            "alarms": read_alarms(self.folder),
        }
        if collectives.rank() == 0:
            write_json(self.folder / "result.json", result)
        return Outcome(self.folder, state.step, deployed, state.last, best, fall_back)

    def _return_to_before(self) -> None:
        """Let the network from before unlabeled images took part be the model."""
        if collectives.rank() > 0:
            return
        before = Model.load(self.folder / BEFORE, "cpu")
        chosen = "before unlabeled images took part, as val shows the end to be worse"
        save_model(self.folder / "model", before.network, before.card.model_copy(update={"chosen": chosen}))


def _last_diagnosis(folder: Path) -> dict[str, Any] | None:
    """Return what the last line of the journal that counted pseudo-labels says of them."""
    for line in reversed(read_lines(folder / "journal.jsonl")):
        found = {name: line[name] for name in line if name.startswith(("pseudo/", "labels/"))}
        if "pseudo/agreement" in found:
            return {"step": line["step"], **found}
    return None


def _step_of(model: Path) -> int | None:
    """Return the step that a model folder holds, if it holds one."""
    try:
        return int(read_json(model / CARD)["step"])
    except (OSError, ValueError):
        return None
