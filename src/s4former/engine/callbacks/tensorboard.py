"""Losses and scores for TensorBoard, in the run folder's ``tensorboard/``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from s4former.config.errors import UserError
from s4former.engine.callbacks.base import Callback, CallbackConfig, Line, numbers, panel_path

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardConfig(CallbackConfig):
    """Shown by ``tensorboard --logdir RUN_FOLDER``; installed by ``pip install 's4former[tensorboard]'``."""

    name: Literal["tensorboard"] = "tensorboard"
    """The callback."""

    def build(self, folder: Path) -> Callback:
        """Return what writes into ``folder``.

        Raises:
            UserError: If TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError(
                "callbacks=[tensorboard] needs TensorBoard, which is not installed; type `pip install "
                "'s4former[tensorboard]'`, or leave the field out: journal.jsonl holds the same numbers"
            ) from None
        return TensorBoard(lambda step: SummaryWriter(folder / "tensorboard", purge_step=step + 1), folder)


class TensorBoard(Callback):
    """Writes each number of the journal, and the mean IoU as ``val/miou/teacher``, and the panels."""

    def __init__(self, open_after: Callable[[int], SummaryWriter], folder: Path) -> None:
        self._open_after, self._folder = open_after, folder
        self._writer: SummaryWriter | None = None

    def on_start(self, step: int, steps: int) -> None:
        """Open the file; what an earlier one holds of later steps counts no more."""
        self._writer = self._open_after(step)

    def on_log(self, line: Line) -> None:
        """Write all numbers but the step."""
        for name, value in numbers(line).items():
            if self._writer:
                self._writer.add_scalar(name, value, line["step"])

    def on_score(self, lines: Sequence[Line]) -> None:
        """Write the mean IoU of each network, and the IoU of each class, and the panel."""
        for line in lines:
            self.on_log(line)
        if self._writer and (panel := panel_path(self._folder, lines[0]["step"])).is_file():
            with Image.open(panel) as picture:
                self._writer.add_image("panel", np.asarray(picture), lines[0]["step"], dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        if self._writer:
            self._writer.close()
