"""Scoring trained networks, on the data they were trained with or any other of the same classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from s4former import collectives
from s4former.config.base import Config
from s4former.config.errors import DataError, UserError
from s4former.config.override import override
from s4former.config.validation import validated
from s4former.curation.check import quick_check
from s4former.curation.sources import open_source
from s4former.data.config import DataConfig
from s4former.data.sources import Source
from s4former.engine import distributed
from s4former.engine.callbacks import Callback
from s4former.engine.device import set_up
from s4former.engine.folder import data_of
from s4former.inference import wording
from s4former.inference.card import ModelCard, is_model_folder, model_folder, read_card
from s4former.inference.config import EvaluateConfig, Precision
from s4former.inference.device import resolve_device, resolve_precision
from s4former.inference.predict import Model
from s4former.inference.scoring import (
    NO_PICTURES,
    Evaluation,
    OpenPictures,
    evaluate,
    own_images,
    protocol_record,
)
from s4former.inference.trained import load_networks
from s4former.models import ModelConfig
from s4former.types import Segmenter


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
    path: str | Path,
    changes: Iterable[str] | Mapping[str, Any] = (),
    progress: Callback | None = None,
    data: DataConfig | None = None,
) -> Evaluation:
    """Score the model of a run folder, a model folder or a model file.

    Args:
        path: Where the model is.
        changes: Overrides of `Validation`, as in ``evaluate.part=test`` or ``data.root=DIR``.
        progress: Listens to it.
        data: The images and masks; by default those that the run was trained with.

    Raises:
        UserError: If there is no model, an override does not fit, nothing says where the data is, or it has
            other classes.
        DataError: If the data cannot be read.
    """
    progress = progress or Callback()
    folder = model_folder(Path(path))
    card, trained_on = read_card(folder), None if data else data_of(folder)
    changes = changes if isinstance(changes, Mapping) else list(changes)
    if trained_on is not None:
        data = trained_on[0]
    elif data is None and not any(re.match(r"data\b", str(change)) for change in changes):
        raise UserError(
            f"{folder} does not say where images with masks lie, as a model that is shared holds no paths; "
            f"name them, as in `s4former val {folder} dataset.yaml` or with data.root=DIR"
        )
    told = (data or DataConfig()).model_dump() | card.input.model_dump()
    data = validated(DataConfig, told, f"the data does not go with the images that {folder} takes")
    config, notes = override(Validation(data=data, evaluate=card.evaluate), changes)
    for note in notes:
        progress.on_message(note)

    def load(source: Source) -> Mapping[str, Segmenter]:
        require_same_classes(card, source)
        return {card.network: Model.load(path, "cpu").network}

    protocol = config.evaluate.resolved(card.crop_size)
    try:
        return _score(config, protocol, load, progress, None, card)[card.network]
    except DataError as error:
        raise DataError(f"{error}{_elsewhere(config.data, trained_on)}") from None


def _elsewhere(data: DataConfig, trained_on: tuple[DataConfig, Path] | None) -> str:
    """Return what to type where a run's data is not found because the working directory is another one."""
    if trained_on is None or data.root != trained_on[0].root or Path(data.root).is_absolute():
        return ""
    known = trained_on[1] / data.root
    if data.source == "scenes" or known.resolve() == Path(data.root).resolve():
        return ""
    root = known if known.is_dir() else "DIR"
    return f". The run was started in another folder, where {data.root} was its data: type data.root={root}"


def validate_with_config(
    path: Path, model: ModelConfig, config: Validation, progress: Callback, watch: OpenPictures | None = None
) -> dict[str, Evaluation]:
    """Score all networks that a path holds with a config's data and protocol, not their own.

    Args:
        path: A run folder, a model folder or file, or a checkpoint in the S4Former authors' layout.
        model: The architecture of such a checkpoint.
        config: What is scored and how.
        progress: Listens to it.
        watch: Given the data, returns what is called after each image, as by `evaluate`.

    Raises:
        UserError: If there is no model, or it is none for these classes.
        DataError: If the data cannot be read.
    """
    card = read_card(model_folder(path)) if is_model_folder(path) else None

    def load(source: Source) -> Mapping[str, Segmenter]:
        if card:
            require_same_classes(card, source)
        return load_networks(path, model, len(source.classes))

    protocol = config.evaluate.resolved(card.crop_size if card else config.data.crop)
    return _score(config, protocol, load, progress, watch, card)


def tell_differences(protocol: Mapping[str, Any], card: ModelCard | None, progress: Callback) -> None:
    """Say what is not as it was when the run scored its model, so that both scores are not compared."""
    if card is None or card.score is None:
        return
    before = {name: value for name, value in card.score["protocol"].items() if name != "part"}
    found = wording.differences(protocol, before)
    if found:
        progress.on_message(
            f"not scored as during training: {', '.join(found)}; do not compare the two scores"
        )


def require_same_classes(card: ModelCard, source: Source) -> None:
    """Make sure that a model and a data set have the same classes.

    Raises:
        UserError: If not.
    """
    if source.classes.names != card.names:
        raise UserError(
            f"the model knows the classes {', '.join(card.names)}, but the data has "
            f"{', '.join(source.classes.names)}; score it on data with the same classes in the same order"
        )


@distributed.joined()
def _score(
    config: Validation,
    protocol: EvaluateConfig,
    load: Callable[[Source], Mapping[str, Segmenter]],
    progress: Callback,
    watch: OpenPictures | None,
    card: ModelCard | None,
) -> dict[str, Evaluation]:
    with collectives.raise_on_all_ranks():
        device = resolve_device(config.device)
        precision = resolve_precision(config.precision, device)
        set_up(device, "auto", deterministic=False)
        source = open_source(config.data)
        networks = {name: network.to(device).eval() for name, network in load(source).items()}
        quick_check(source, config.data, [protocol.part])
        pictures = watch(source) if watch else NO_PICTURES
    tell_differences(protocol_record(protocol, precision), card, progress)

    if collectives.rank() == 0:
        progress.on_evaluate(own_images(source, protocol.part))
    threads = config.data.num_workers
    return evaluate(networks, source, protocol, device, precision, progress.on_image, pictures, threads)
