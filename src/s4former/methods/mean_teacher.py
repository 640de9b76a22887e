"""Mean teacher: an averaged teacher labels the weak view, the student learns those labels on the strong one.

Source: Tarvainen and Valpola, 2017 (averaged teacher); Sohn et al., 2020 (confident pseudo-labels, weak to
strong). The released S4Former code has a configuration of this name that trains no unlabeled loss at all;
this one does. S4Former's parts can be switched on.
"""

from __future__ import annotations

import torch

from s4former.methods._with_teacher import WithTeacher
from s4former.methods.base import Targets
from s4former.methods.configs.mean_teacher import MeanTeacherConfig
from s4former.methods.parts import StrongViews
from s4former.types import Batch, Segmenter, StepOutput


class MeanTeacher(WithTeacher):
    """A student and the moving average of its weights."""

    config: MeanTeacherConfig

    def __init__(self, config: MeanTeacherConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.strong = StrongViews(config, student)

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Targets:
        """Let the teacher label the weak view, and mix the strong one."""
        config, targets, unlabeled = self.config, self.labeled_targets(batch.labeled), batch.unlabeled
        if unlabeled is None or config.before_unlabeled_start(batch.key.step):
            return targets
        pseudo = self.teacher(unlabeled.weak, unlabeled.valid)
        views, scalars = self.strong(unlabeled, pseudo, batch.key)
        return targets.with_views(views, config.loss_weights(batch.key.step), scalars)

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the labeled loss plus what the strong view has to learn from the weak one."""
        supervised = self.labeled_loss(batch.labeled, targets)
        return self.output(
            supervised, self.strong.losses(self.student, targets.views, targets.class_weights), targets
        )
