"""From images on disk to training batches and evaluation pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily

if TYPE_CHECKING:
    from s4former.data.classes import Classes
    from s4former.data.config import DataConfig
    from s4former.data.loader import TrainBatches, batch_iterator
    from s4former.data.sources import (
        Source,
        Split,
        evaluation_pairs,
        open_source,
        short_names,
        split_ids,
        write_splits,
    )
else:
    __getattr__ = lazily(
        __name__,
        {
            "classes": "Classes",
            "config": "DataConfig",
            "loader": "TrainBatches batch_iterator",
            "sources": "Split Source evaluation_pairs open_source split_ids short_names write_splits",
        },
    )

__all__ = [
    "Classes",
    "DataConfig",
    "Source",
    "Split",
    "TrainBatches",
    "batch_iterator",
    "evaluation_pairs",
    "open_source",
    "short_names",
    "split_ids",
    "write_splits",
]
