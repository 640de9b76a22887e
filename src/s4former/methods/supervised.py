"""Training on the labeled images alone: the baseline that every other method has to beat."""

from __future__ import annotations

from s4former.methods.base import Method, Targets
from s4former.methods.configs.supervised import SupervisedConfig
from s4former.types import Batch, StepOutput


class Supervised(Method):
    """Looks at no unlabeled image and keeps no teacher."""

    config: SupervisedConfig

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the labeled loss."""
        return self.output(self.labeled_loss(batch.labeled, targets), {}, targets)
