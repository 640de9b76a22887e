"""Supervised training whose averaged weights are saved: what averaging gives without any unlabeled image.

A teacher of a semi-supervised method is such an average too. Beside this method its gain shows what comes of
the unlabeled images, and what of averaging.

Source: Polyak and Juditsky, 1992 (averaged weights); Tarvainen and Valpola, 2017 (exponential average).
"""

from __future__ import annotations

from collections.abc import Mapping

from s4former.methods.base import Method, Targets
from s4former.methods.configs.supervised_averaged import SupervisedAveragedConfig
from s4former.methods.parts import EMATeacher
from s4former.types import Batch, Segmenter, StepOutput


class SupervisedAveraged(Method):
    """Looks at no unlabeled image; what would be a teacher elsewhere teaches nobody."""

    config: SupervisedAveragedConfig
    deployed = "average"

    def __init__(self, config: SupervisedAveragedConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.average = EMATeacher(config, student)

    @property
    def networks(self) -> Mapping[str, Segmenter]:
        """The network as it learns, and its average."""
        return {"student": self.student, "average": self.average.network}

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the labeled loss."""
        return self.output(self.labeled_loss(batch.labeled, targets), {}, targets)

    def after_update(self, step: int) -> None:
        """Move the average toward the network."""
        self.average.follow(self.student, step)
