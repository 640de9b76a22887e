"""Training on the labeled images alone: the baseline that every other method has to beat."""

from __future__ import annotations

from typing import Literal

from s4former.methods.base import Method, MethodConfig, Targets
from s4former.types import Batch, Segmenter, StepOutput


class SupervisedConfig(MethodConfig):
    """Cross entropy on the labeled images."""

    name: Literal["supervised"] = "supervised"
    """The method: this file's name."""

    def build(self, student: Segmenter) -> Supervised:
        """Return the method that trains ``student``."""
        return Supervised(self, student)


class Supervised(Method):
    """Looks at no unlabeled image and keeps no teacher."""

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the labeled loss."""
        return self.output(self.labeled_loss(batch.labeled, targets), {}, targets)
