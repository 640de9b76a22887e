"""What is written beside a model's weights, and where to find it; knows no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, field_validator, model_validator

from s4former.config.base import Config
from s4former.config.errors import UserError
from s4former.config.record import read_json
from s4former.config.trust import named_by
from s4former.config.validation import first_mistake, validated
from s4former.data.classes import Classes, MaskValue
from s4former.inference.config import EvaluateConfig
from s4former.inference.hub import fetched, is_reference
from s4former.inference.score_line import ScoreLine
from s4former.models import ModelConfig

WEIGHTS, CARD = "model.safetensors", "model.json"


def _score_line(score: dict[str, Any] | None) -> dict[str, Any] | None:
    if score is not None:
        try:
            ScoreLine.model_validate(score)
        except ValidationError as error:
            raise ValueError(f"expected a line of scores.jsonl; its {first_mistake(error)}") from None
    return score


class ImageInput(Config):
    """Which images a model takes."""

    channels: PositiveInt
    """Channels of an image."""
    value_range: tuple[float, float] | None
    """Values of the files that become 0 and 255; none: they hold 8 bits."""
    display_channels: tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt]
    """Channels that pictures show as red, green and blue."""

    @model_validator(mode="after")
    def _shown_are_there(self) -> Self:
        if max(self.display_channels) >= self.channels:
            raise ValueError(
                f"display_channels={list(self.display_channels)} must be below channels={self.channels}"
            )
        return self


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

    @field_validator("best")
    @classmethod
    def _scored(cls, score: dict[str, Any] | None) -> dict[str, Any] | None:
        return _score_line(score)


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

    @field_validator("score")
    @classmethod
    def _scored(cls, score: dict[str, Any] | None) -> dict[str, Any] | None:
        return _score_line(score)

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
        return fetched(path, CARD, WEIGHTS)
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
        UserError: If it is not one that this version understands, or its network is code of others.
    """
    try:
        content = read_json(folder / CARD)
    except ValueError as error:
        raise UserError(f"{folder / CARD} is not JSON: {error}") from None
    with named_by(folder / CARD):
        return validated(ModelCard, content, f"{folder / CARD} does not fit this version of s4former")


def is_model_folder(path: Path) -> bool:
    """Return whether a path is a run or model of this package, complete or not, or one of the hub's."""
    if is_reference(path):
        return True
    if path.is_dir():
        return any((path / name).exists() for name in (CARD, "run.json", f"model/{CARD}"))
    return path.name == WEIGHTS and (path.parent / CARD).is_file()
