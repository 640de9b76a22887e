"""What is written beside a model's weights, and where to find it, on disk or on the hub; knows no torch."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from s4former.config.base import Config
from s4former.config.errors import UserError
from s4former.config.record import read_json
from s4former.config.validation import validated
from s4former.data.classes import Classes, MaskValue
from s4former.inference.config import EvaluateConfig
from s4former.models import ModelConfig

WEIGHTS, CARD = "model.safetensors", "model.json"
_logger = logging.getLogger(__name__)
_REFERENCE = re.compile(r"hf:/{0,2}([\w.-]+/[\w.-]+)(?:@(\S+))?")
_PATIENCE = 6.0
"""Seconds that the hub may take to answer at all; its own client would try for most of a minute."""


class ImageInput(Config):
    """Which images a model takes."""

    channels: int
    """Channels of an image."""
    value_range: tuple[float, float] | None
    """Values of the files that become 0 and 255; none: they hold 8 bits."""
    display_channels: tuple[int, int, int]
    """Channels that pictures show as red, green and blue."""


class TrainedOn(Config):
    """What a model was trained on and started from; numbers and names, no paths."""

    labeled: int
    """Images with masks."""
    unlabeled: int
    """Images without."""
    val: int
    """Images that it was scored on."""
    pretrained: str
    """What it started from: ``none``, ``hub`` (timm's weights), a file's name, or ``another model``."""
    seed: int
    """Of all random draws."""
    version: str
    """Of this package."""
    best: dict[str, Any] | None
    """The line of ``scores.jsonl`` of the best step so far."""


Channel = Annotated[int, Field(ge=0, le=255)]


class ModelCard(Config):
    """What ``model.json`` says: all that is needed to use the weights beside it, and how they came about.

    Where the images lay that it learned from is in ``run.json``: a model is shared, and paths tell of people.
    """

    format: Literal[2] = 2
    """Version of this file; another one is not read."""
    architecture: ModelConfig
    """The network, normalization included."""
    input: ImageInput
    """The images it takes."""
    names: tuple[str, ...]
    """Class names; the number in a predicted mask is the place in this list."""
    colors: tuple[tuple[Channel, Channel, Channel], ...]
    """One RGB color per class."""
    ignore: tuple[MaskValue, ...]
    """Values or colors in the training masks that meant unknown."""
    values: tuple[tuple[MaskValue, ...], ...] | None = None
    """Values or colors in the training masks that meant each class; none: the class's index."""
    crop_size: tuple[int, int]
    """Height and width of the training crops in pixels."""
    evaluate: EvaluateConfig
    """How it was scored, and how it predicts."""
    method: dict[str, Any]
    """How it was trained."""
    step: int
    """Updates of its weights."""
    network: str
    """Which network of the method it is, as in ``teacher``."""
    chosen: str
    """How it was chosen among the steps."""
    score: dict[str, Any] | None
    """Its line of ``scores.jsonl``, if it was scored."""
    trained_on: TrainedOn | None = None
    """What it was trained on; none: made before that was noted."""

    @property
    def classes(self) -> Classes:
        """The classes as data sources tell them."""
        return Classes(self.names, self.colors, self.ignore, self.values)


def model_folder(path: Path) -> Path:
    """Return the folder with ``model.json`` that a path stands for; ``hf:user/name`` is fetched from the hub.

    Raises:
        UserError: If there is none; the message says what is missing.
    """
    if path.suffix in (".onnx", ".pt2"):
        raise UserError(
            f"{path} is an exported file, of which only `s4former predict` takes .onnx; give the run or "
            "model folder that it was made of"
        )
    if is_reference(path):
        return _fetched(path)
    folder = path.parent if path.is_file() else path
    for candidate in (folder, folder / "model"):
        if (candidate / CARD).is_file() and (candidate / WEIGHTS).is_file():
            return candidate
    if not path.exists():
        raise UserError(f"there is no {path}; expected a run folder, a model folder or its {WEIGHTS}")
    if (folder / "run.json").is_file():
        best = folder / "model_best"
        raise UserError(
            f"the run in {folder} has no model yet: type the command that trains it again, with --resume, to "
            "train it to its last step"
            + (f"; or give {best}, the best so far" if (best / CARD).is_file() else "")
        )
    raise UserError(
        f"{path} is no model: expected {WEIGHTS} and {CARD} in {folder}; give a run folder, which training "
        "writes, or the model folder in it"
    )


def model_name(folder: Path) -> str:
    """Return what a person calls the model in a folder: the name of its run, if it lies in one."""
    folder = folder.resolve()
    return folder.parent.name if (folder.parent / "run.json").is_file() else folder.name


def read_card(folder: Path) -> ModelCard:
    """Return the card of a model folder.

    Raises:
        UserError: If it is not one that this version understands.
    """
    try:
        content = read_json(folder / CARD)
    except ValueError as error:
        raise UserError(f"{folder / CARD} is not JSON: {error}") from None
    return validated(ModelCard, content, f"{folder / CARD} does not fit this version of s4former")


def is_model_folder(path: Path) -> bool:
    """Return whether a path is a run or model of this package, complete or not, or one of the hub's."""
    if is_reference(path):
        return True
    if path.is_dir():
        return any((path / name).exists() for name in (CARD, "run.json", f"model/{CARD}"))
    return path.name == WEIGHTS and (path.parent / CARD).is_file()


def is_reference(path: Path) -> bool:
    """Whether a model is named by its place on the hub, as ``hf:user/name``."""
    return str(path).startswith("hf:")


def _fetched(path: Path) -> Path:
    """Return the folder of the hub's cache that holds a model, downloaded unless it is there and up to date.

    Two files are fetched and read, and no code is run. Without a network it is the one in the cache.

    Args:
        path: ``hf:user/name`` or ``hf:user/name@revision``: a branch, a tag or a commit.

    Raises:
        UserError: If it cannot be had, or is a model that only its author's code can build.
    """
    match = _REFERENCE.fullmatch(str(path))
    if not match:
        raise UserError(f"{path} names no model of the hub; expected hf:user/name or hf:user/name@revision")
    repository, revision = match.groups()
    described = _file(repository, CARD, revision)
    _require_no_code(described, repository)
    # The commit of the first file: another may be pushed between the two.
    return _file(repository, WEIGHTS, described.parent.name).parent


def _file(repository: str, name: str, revision: str | None) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        get_hf_file_metadata(hf_hub_url(repository, name, revision=revision), timeout=_PATIENCE)
        return Path(hf_hub_download(repository, name, revision=revision))
    except (RepositoryNotFoundError, GatedRepoError, HFValidationError):
        problem = (
            "is not on the hub, or not open to you: look at its name; for a private one, `hf auth login`"
        )
    except RevisionNotFoundError:
        problem = f"has no revision {revision!r}; expected a branch, a tag or a commit"
    except Exception as error:  # the hub's clients fail in many ways, none of which we can mend
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            problem = f"has no {name}, so it is no model of s4former: those are made by model.push_to_hub"
        else:
            cached = try_to_load_from_cache(repository, name, revision=revision)
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            if isinstance(cached, str):
                _logger.warning(
                    f"the hub cannot be reached ({why}): hf:{repository} as it was fetched before"
                )
                return Path(cached)
            problem = f"is not in the hub's cache, and the hub cannot be reached ({why})"
    raise UserError(f"hf:{repository} {problem}") from None


def _require_no_code(card: Path, repository: str) -> None:
    """Refuse a network with parts that are import paths: a config is loaded by importing them."""
    try:
        content: Any = read_json(card)
    except ValueError:
        raise UserError(f"the {card.name} of hf:{repository} is not JSON") from None
    for name in _strings(content.get("architecture") if isinstance(content, dict) else None):
        package, dot, _ = name.partition(".")
        if dot and package.isidentifier() and importlib.util.find_spec(package):
            raise UserError(
                f"hf:{repository} is built by code that does not come with s4former, {name}; models from the "
                "hub run no code: download it into a folder and load that, if you trust whoever wrote it"
            )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
