"""UniMatch V2: two strong views of each image, of which each loses the features that the other keeps.

An averaged teacher labels the weak view. Each strong view gets boxes of other images; before the head their
features lose complementary channels, in half of the images; the student learns the mixed labels on both.

Source: the released code of Yang, Zhao, Zhao, TPAMI 2025, "UniMatch V2: Pushing the Limit of Semi-Supervised
Semantic Segmentation": losses, gradients, averaged weights and updates of whole steps are equal, to the
tolerances of ``tests/golden/test_unimatch_v2_step.py``. **We differ:** batches that are all padding or have
no label give a loss of 0, not NaN; partners are those of the global batch.
"""

from __future__ import annotations

import torch

from s4former.methods._with_teacher import WithTeacher
from s4former.methods.base import Targets
from s4former.methods.configs.unimatch_v2 import UniMatchV2Config
from s4former.methods.parts import StrongViews
from s4former.types import Batch, Segmenter, StepOutput


class UniMatchV2(WithTeacher):
    """A student that learns two strong views, and the moving average of its weights."""

    config: UniMatchV2Config

    def __init__(self, config: UniMatchV2Config, student: Segmenter) -> None:
        super().__init__(config, student)
        self.strong = StrongViews(config, student)

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Targets:
        """Let the teacher label the weak view, and mix the strong ones."""
        config, targets, unlabeled = self.config, self.labeled_targets(batch.labeled), batch.unlabeled
        if unlabeled is None or config.before_unlabeled_start(batch.key.step):
            return targets
        pseudo = self.teacher(unlabeled.weak, unlabeled.valid)
        views, scalars = self.strong(unlabeled, pseudo, batch.key)
        return targets.with_views(views, config.loss_weights(batch.key.step), scalars)

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the mean of the labeled loss and that of the strong views."""
        supervised = self.labeled_loss(batch.labeled, targets)
        losses = self.strong.losses(self.student, targets.views, targets.class_weights)
        return self.output(supervised, losses, targets)
