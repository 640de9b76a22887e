"""FixMatch: the student labels its own weak view, and learns the confident labels on the strong one.

Source: Sohn et al., 2020, for segmentation. **We differ:** the strong view may have a box of another image
(CutMix), as all later methods do, and S4Former's parts can be switched on. What UniMatch V2's code calls
FixMatch has an averaged teacher: that is `mean_teacher` here.
"""

from __future__ import annotations

import torch

from s4former.methods.base import Method, Targets
from s4former.methods.configs.fixmatch import FixMatchConfig
from s4former.methods.parts import StrongViews, labels_by
from s4former.types import Batch, Segmenter, StepOutput


class FixMatch(Method):
    """One network, no teacher."""

    config: FixMatchConfig

    def __init__(self, config: FixMatchConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.strong = StrongViews(config, student)

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Targets:
        """Let the student label the weak view, and mix the strong one."""
        config, targets, unlabeled = self.config, self.labeled_targets(batch.labeled), batch.unlabeled
        if unlabeled is None or config.without_unlabeled(batch.key.step):
            return targets
        pseudo = labels_by(self.student, unlabeled)
        views, scalars = self.strong(unlabeled, pseudo, batch.key)
        return targets.with_views(views, config.loss_weights(batch.key.step), scalars)

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the labeled loss plus what the strong view has to learn from the weak one."""
        supervised = self.labeled_loss(batch.labeled, targets)
        return self.output(
            supervised, self.strong.losses(self.student, targets.views, targets.class_weights), targets
        )
