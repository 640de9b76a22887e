"""From when on, and how much, unlabeled images count."""

from __future__ import annotations

from pydantic import Field

from s4former.config.base import Config
from s4former.ops.schedules import ramp


class UnlabeledScheduleConfig(Config):
    """When unlabeled images begin to count, and how their weight rises."""

    unlabeled_weight: float = Field(1.0, ge=0)
    """Weight of all unlabeled losses together."""

    unlabeled_start_step: int = Field(0, ge=0)
    """Steps that learn from the labeled images alone before; they cost what supervised steps cost."""

    unlabeled_ramp_steps: int = Field(0, ge=0)
    """Steps over which that weight then rises linearly from 0."""

    @property
    def least_steps(self) -> int:
        """One more than those that learn from the labeled images alone."""
        return self.unlabeled_start_step + 1

    def before_unlabeled_start(self, step: int) -> bool:
        """Whether a step still learns from labeled images alone."""
        return step < self.unlabeled_start_step

    def unlabeled_weight_at(self, step: int) -> float:
        """Return the weight of the unlabeled losses in a step."""
        return self.unlabeled_weight * ramp(step - self.unlabeled_start_step, self.unlabeled_ramp_steps)
