"""From images on disk to training batches and evaluation pairs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s4former.data.classes import Classes
    from s4former.data.config import DataConfig
    from s4former.data.loader import TrainBatches, batch_iterator
from s4former.data.sources import (
    Part,
    Source,
    evaluation_pairs,
    open_source,
    part_ids,
    short_names,
    write_splits,
)

__all__ = [
    "Classes",
    "DataConfig",
    "Part",
    "Source",
    "TrainBatches",
    "batch_iterator",
    "evaluation_pairs",
    "open_source",
    "part_ids",
    "short_names",
    "write_splits",
]

# Imported when asked for, as only batches need torch.
_HOMES = {"DataConfig": "config", "TrainBatches": "loader", "batch_iterator": "loader"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'sources')}"), name)
