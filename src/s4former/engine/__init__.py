"""Trains a run, and writes it into a run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.engine.checkpoint import Checkpoints
    from s4former.engine.journal import read_lines
    from s4former.engine.loop import train
    from s4former.engine.memory import lack_of_memory
    from s4former.engine.non_finite import replay
    from s4former.engine.optim import build_optimizer, set_learning_rate
    from s4former.engine.pace import in_words
    from s4former.engine.progress import progress_for
    from s4former.engine.run import OptimizerConfig, Run
    from s4former.engine.tables import print_table
    from s4former.engine.validation import validate
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = [
    "Checkpoints",
    "OptimizerConfig",
    "Run",
    "build_optimizer",
    "in_words",
    "lack_of_memory",
    "print_table",
    "progress_for",
    "read_lines",
    "replay",
    "set_learning_rate",
    "train",
    "validate",
]
