"""When a run says that unlabeled images teach it little, as data."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from s4former.config.base import Config


class AlarmsConfig(Config):
    """When a run gives an alarm; each is written into ``alarms.jsonl``, and said."""

    enabled: bool = True
    """Whether it does."""
    patience: PositiveInt | None = None
    """Steps for which a line has to be wrong; none: a twentieth of the run, from 10 to 100."""
    least_confident: float = Field(0.001, ge=0, le=1)
    """A smaller share of confident pixels is none."""
    class_odds: float = Field(8.0, ge=1)
    """A class swallows the pseudo-labels if it has most of them, and its odds among them are this many times
    those among the labels."""
    teacher_margin: float = Field(0.02, ge=0)
    """The deployed network may score lower than another one by this fraction of mean IoU."""
    least_loss: float = Field(0.01, ge=0)
    """The unlabeled losses should be this fraction of the labeled one, at least."""

    def steps(self, whole: int) -> int:
        """Return for how many steps of a run of so many a line has to be wrong."""
        return self.patience or min(100, max(10, whole // 20))
