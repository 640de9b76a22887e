"""The words that all rooms share: what a batch is, what a step returns, what a network can be asked."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from s4former.types.plain import IGNORE, DrawKey

if TYPE_CHECKING:
    from s4former.types.attention import FactoredBias
    from s4former.types.tensors import (
        AttentionBias,
        Batch,
        Context,
        Features,
        Images,
        LabeledBatch,
        Labels,
        Logits,
        Mask,
        PseudoLabels,
        Segmenter,
        StepOutput,
        UnlabeledBatch,
        part_of,
    )

# fmt: off
__all__ = [
    "IGNORE", "AttentionBias", "Batch", "Context", "DrawKey", "FactoredBias", "Features", "Images",
    "LabeledBatch", "Labels", "Logits", "Mask", "PseudoLabels", "Segmenter", "StepOutput", "UnlabeledBatch",
    "part_of",
]
# fmt: on


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.tensors"), name)  # late, as it needs torch
