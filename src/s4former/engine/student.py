"""The student of a finished run, beside the teacher that the run deploys: two opinions of one image."""

from __future__ import annotations

from pathlib import Path

from s4former.engine.checkpoint import Checkpoints
from s4former.inference import Model
from s4former.models import faster_on_cpu, rebuild_segmenter


def student_of(run: Path, model: Model) -> Model | None:
    """Return the student after the same step as a run's model; None if it is that model or was not saved.

    Raises:
        UserError: If states were saved but none is complete.
    """
    card = model.card
    state = None if card.network == "student" else Checkpoints(run).load("cpu")
    if state is None or state["state"]["step"] != card.step:
        return None
    saved = {
        name.removeprefix("student."): value
        for name, value in state["method"].items()
        if name.startswith("student.")
    }
    _, needed = model.network.for_inference()
    if not needed.keys() <= saved.keys():  # as with changes of low rank, which are merged when they are used
        return None
    network = rebuild_segmenter(card.architecture, len(card.names), {name: saved[name] for name in needed})
    faster_on_cpu(network)
    return Model(network, card, model.device, model.precision)
