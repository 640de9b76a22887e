"""What a callback is. It only listens: nothing that it is told waits for an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partialmethod
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, SerializeAsAny

from s4former.config.base import Config
from s4former.config.listed import Listed

Line = Mapping[str, Any]


class Callback:
    """Listens to a run, in process 0 alone. Subclasses define what they need; here nothing happens."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """The run is over, or has failed."""

    def on_start(self, step: int, steps: int) -> None:
        """Training starts after ``step`` of ``steps`` updates; lines of later steps come once more."""

    def on_step(self, step: int) -> None:
        """The ``step``-th update is done."""

    def on_log(self, line: Line) -> None:
        """A line of ``journal.jsonl``: the means of losses and scalars since the line before."""

    def on_evaluate(self, images: int) -> None:
        """An evaluation of so many images starts."""

    def on_image(self) -> None:
        """One more image was scored."""

    def on_score(self, lines: Sequence[Line]) -> None:
        """The lines of ``scores.jsonl`` of one evaluation: one for each network."""

    def on_save(self, step: int) -> None:
        """The state after ``step`` updates is on the disk."""

    def on_message(self, text: str) -> None:
        """A sentence for people."""


def numbers(line: Line) -> dict[str, float]:
    """Return what a line of the journal or of the scores measures, by the names of trackers."""
    if "network" not in line:
        return {name: value for name, value in line.items() if name != "step" and value is not None}
    split, network = line["part"], line["network"]
    found = {f"{split}/miou/{network}": line["miou"]}
    found |= {f"{split}/iou/{network}/{label}": value for label, value in line["iou"].items()}
    return {name: value for name, value in found.items() if value is not None}


def panel_path(folder: Path, step: int) -> Path:
    """Return where the panel of an evaluation lies, once it is over."""
    return folder / "panels" / f"step_{step:08d}.png"


def flat(dumped: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the fields of a dumped config by their dotted paths."""
    found: dict[str, Any] = {}
    for key, value in dumped.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


class CallbackConfig(Config, ABC):
    """A callback that is asked for by the field ``callbacks``. It lives in the file of its name."""

    name: str
    """Its file in ``engine/callbacks/``, or the import path of a file of your own."""

    @abstractmethod
    def build(self, folder: Path) -> Callback:
        """Return the callback of the run in ``folder``, which is there from ``on_start`` on.

        Raises:
            UserError: If it needs what is not installed.
        """


CALLBACKS: Listed[CallbackConfig] = Listed("s4former.engine.callbacks", CallbackConfig, "callback")  # type: ignore[type-abstract]
"""All callbacks by name."""
CallbackField = Annotated[SerializeAsAny[CallbackConfig], BeforeValidator(CALLBACKS.parse)]


class Callbacks(Callback):
    """Tells several callbacks, in their order."""

    def __init__(self, *callbacks: Callback) -> None:
        self.callbacks = callbacks

    def _tell(self, event: str, *what: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(*what)

    close = partialmethod(_tell, "close")
    on_start = partialmethod(_tell, "on_start")
    on_step = partialmethod(_tell, "on_step")
    on_log = partialmethod(_tell, "on_log")
    on_evaluate = partialmethod(_tell, "on_evaluate")
    on_image = partialmethod(_tell, "on_image")
    on_score = partialmethod(_tell, "on_score")
    on_save = partialmethod(_tell, "on_save")
    on_message = partialmethod(_tell, "on_message")
