"""S4Former plus: S4Former with what our own measurements added to it, and without what they spoke against.

To the mean teacher with CutMix, PASA and NCR come a threshold for each class, weights by rarity, and classes
of labeled crops pasted onto the strong view (ClassMix). PatchShuffle is off. PASA biases the one mixed pass:
a step costs a pass less than S4Former's. What each is worth: ``docs/methods/s4former_plus.md``.
"""

from __future__ import annotations

import torch

from s4former.methods._with_teacher import WithTeacher
from s4former.methods.base import Targets
from s4former.methods.configs.s4former_plus import S4FormerPlusConfig
from s4former.methods.parts import ClassMix, StrongViews
from s4former.types import Batch, Segmenter, StepOutput


class S4FormerPlus(WithTeacher):
    """A student, the moving average of its weights, and what earned its place."""

    config: S4FormerPlusConfig

    def __init__(self, config: S4FormerPlusConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.strong = StrongViews(config, student)
        self.class_mix = ClassMix(config, config.unlabeled_normalize_by, student.num_classes)

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Targets:
        """Let the teacher label the weak view; mix the strong one with its next and with labeled images."""
        config, targets, unlabeled = self.config, self.labeled_targets(batch.labeled), batch.unlabeled
        if unlabeled is None or config.before_unlabeled_start(batch.key.step):
            return targets
        pseudo = self.teacher(unlabeled.weak, unlabeled.valid)
        mixed, scalars = self.strong(unlabeled, pseudo, batch.key)
        pasted = {name: self.class_mix(view, batch.labeled) for name, view in mixed.items()}
        return targets.with_views(pasted, config.loss_weights(batch.key.step), scalars)

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the labeled loss plus what the mixed view has to learn."""
        supervised, weights = self.labeled_loss(batch.labeled, targets), targets.class_weights
        return self.output(supervised, self.strong.losses(self.student, targets.views, weights), targets)
