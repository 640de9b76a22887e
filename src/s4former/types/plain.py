"""Words that need no torch."""

from __future__ import annotations

from dataclasses import dataclass

IGNORE = 255
"""The label of a pixel that nobody knows: it enters no loss and no score."""


@dataclass(frozen=True)
class DrawKey:
    """Names the random draws of one step: every draw is a function of (seed, stream, step, index)."""

    seed: int
    step: int
