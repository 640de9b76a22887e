"""Trains a run, and writes it into a run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.engine.loop import train
    from s4former.engine.run import Run
    from s4former.engine.validate import validate
else:
    __getattr__ = lazily(__name__, {"loop": "train", "run": "Run", "validate": "validate"})

__all__ = ["Run", "train", "validate"]
