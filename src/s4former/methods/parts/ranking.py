"""NCR, negative class ranking, as a loss term; the loss itself is `ops.losses.negative_class_ranking`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from s4former.config.base import Config


class RankingConfig(Config):
    """Whether and how the classes that a pixel is *not* are learned from."""

    ncr: bool = False
    """Match the teacher's distribution over the classes other than the pseudo-label (NCR)."""

    ncr_weight: float = Field(0.5, ge=0)
    """Weight of the ranking loss among the unlabeled losses."""

    ncr_mode: Literal["l2", "kl"] = "l2"
    """Distance between the two distributions."""
