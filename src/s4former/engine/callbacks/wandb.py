"""Losses, scores and pictures for Weights & Biases, in the run folder and, online, on its server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from s4former.config.errors import UserError
from s4former.config.record import read_json, write_text
from s4former.engine.callbacks.base import Callback, CallbackConfig, Line, numbers, panel_path


class WandbConfig(CallbackConfig):
    """Shown by the project's page; ``pip install 's4former[wandb]'`` and, for ``online``, ``wandb login``."""

    name: Literal["wandb"] = "wandb"
    """The callback."""
    project: str = "s4former"
    """The project that the run belongs to."""
    entity: str | None = None
    """The user or team; None: wandb's own default."""
    mode: Literal["online", "offline"] | None = None
    """``offline`` keeps all in the run folder; ``wandb sync RUN_FOLDER/wandb/offline-run-*`` sends it later.
    None: what the environment variable ``WANDB_MODE`` says, and without it ``online``."""

    def build(self, folder: Path) -> Callback:
        """Return what writes there.

        Raises:
            UserError: If wandb is not installed.
        """
        try:
            import wandb
        except ImportError:
            raise UserError(
                "callbacks=[wandb] needs Weights & Biases, which is not installed; type `pip install "
                "'s4former[wandb]'`, or leave the field out: journal.jsonl holds the same numbers"
            ) from None

        def start() -> Any:
            mark = folder / "wandb_run.txt"
            known = mark.read_text(encoding="utf-8").strip() if mark.is_file() else None
            try:
                run = wandb.init(
                    **self.model_dump(include={"project", "entity", "mode"}),
                    dir=folder,
                    name=folder.name,
                    id=known,
                    resume="allow",
                    config=read_json(folder / "run.json")["run"],
                    settings=wandb.Settings(silent=True, console="off"),
                )
            except wandb.Error as error:
                raise UserError(
                    f"wandb does not start: {error}. Type `wandb login`, or keep all in the run folder with "
                    "callbacks=[{name: wandb, mode: offline}]"
                ) from None
            write_text(mark, f"{run.id}\n")
            return run

        return Wandb(start, wandb.Image, folder)


class Wandb(Callback):
    """Writes each number of the journal, the scores, the run's fields, and the panels."""

    def __init__(self, start: Callable[[], Any], image: Callable[[str], Any], folder: Path) -> None:
        self._start, self._image, self._folder = start, image, folder
        self._run: Any = None
        self._left = 0

    def on_start(self, step: int, steps: int) -> None:
        """Open a run, or go on with the one that ``wandb_run.txt`` names: that of a run that is resumed."""
        self._run, self._left = self._start(), steps - step
        self._run.define_metric("*", step_metric="step")

    def on_step(self, step: int) -> None:
        """Count."""
        self._left -= 1

    def on_log(self, line: Line) -> None:
        """Write all numbers."""
        self._run.log({"step": line["step"], **numbers(line)})

    def on_score(self, lines: Sequence[Line]) -> None:
        """Write the mean IoU of each network, the IoU of each class, and the panel."""
        found: dict[str, Any] = {name: value for line in lines for name, value in numbers(line).items()}
        if (panel := panel_path(self._folder, lines[0]["step"])).is_file():
            found["panel"] = self._image(str(panel))
        self._run.log({"step": lines[0]["step"], **found})

    def close(self) -> None:
        """Send what is left, and say how it ended."""
        if self._run:
            self._run.finish(exit_code=0 if self._left <= 0 else 1)
