"""Trains a run, and writes it into a run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.engine.checkpoint import Checkpoints
    from s4former.engine.journal import read_lines
    from s4former.engine.loop import train
    from s4former.engine.run import Run
    from s4former.engine.validation import validate
else:
    __getattr__ = lazily(
        __name__,
        {
            "checkpoint": "Checkpoints",
            "journal": "read_lines",
            "loop": "train",
            "run": "Run",
            "validation": "validate",
        },
    )

__all__ = ["Checkpoints", "Run", "read_lines", "train", "validate"]
