"""Training on the labeled images alone: the baseline that every other method has to beat."""

from __future__ import annotations

from typing import ClassVar, Literal

from s4former.methods.base import Method, MethodConfig
from s4former.types import Batch, Segmenter, StepOutput, Views


class SupervisedConfig(MethodConfig):
    """Cross entropy on the labeled images."""

    name: Literal["supervised"] = "supervised"
    """The method: this file's name."""

    def build(self, student: Segmenter) -> Supervised:
        """Return the method that trains ``student``."""
        return Supervised(self, student)


class Supervised(Method):
    """Looks at no unlabeled image and keeps no teacher."""

    views: ClassVar[Views] = Views()

    def forward(self, batch: Batch) -> StepOutput:
        """Return the labeled loss."""
        supervised = self.labeled_loss(batch.labeled)
        return StepOutput(supervised, {"loss/supervised": supervised.detach()})

    def after_update(self, step: int) -> None:
        """Nothing follows the student."""

    @property
    def scored(self) -> dict[str, Segmenter]:
        """Only the student."""
        return {"student": self.student}

    @property
    def deployed(self) -> Segmenter:
        """The student."""
        return self.student
