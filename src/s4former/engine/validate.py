"""Scoring a trained model, on the data it was trained with or any other of the same classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from s4former.config.base import Config
from s4former.config.errors import UserError
from s4former.config.override import override
from s4former.data.config import DataConfig
from s4former.data.sources import open_source
from s4former.engine.device import Precision, resolve_device, resolve_precision
from s4former.engine.evaluate import EvaluateConfig, Evaluation, evaluate
from s4former.engine.predict import Model, model_folder, read_card
from s4former.engine.progress import Progress


class Validation(Config):
    """What is scored and how; a model brings its own answers, which can be overridden."""

    data: DataConfig
    """The images and masks."""
    evaluate: EvaluateConfig
    """The protocol."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1`` ..."""
    precision: Precision = "auto"
    """Format of matrix products."""


def validate(
    path: str | Path, changes: Iterable[str] | Mapping[str, Any] = (), progress: Progress | None = None
) -> Evaluation:
    """Score the model of a run folder, a model folder or a model file.

    Args:
        path: Where the model is.
        changes: Overrides of `Validation`, as in ``evaluate.part=test`` or ``data.root=DIR``.
        progress: Who hears of it.

    Raises:
        UserError: If there is no model, an override does not fit, or the data has other classes.
        DataError: If the data cannot be read.
    """
    progress = progress or Progress()
    card = read_card(model_folder(Path(path)))
    config, notes = override(Validation(data=card.data, evaluate=card.evaluate), changes)
    for note in notes:
        progress.note(note)
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    source = open_source(config.data)
    if source.classes.names != card.names:
        raise UserError(
            f"the model knows the classes {', '.join(card.names)}, but the data has "
            f"{', '.join(source.classes.names)}; score it on data with the same classes in the same order"
        )
    model = Model.load(path, device, precision)
    progress.evaluating(len(getattr(source, config.evaluate.part)))
    protocol = config.evaluate.resolved(card.crop_size)
    name = card.network
    results = evaluate(
        {name: model.network}, source, protocol, device, precision, lambda *_: progress.evaluated_image()
    )
    return results[name]
