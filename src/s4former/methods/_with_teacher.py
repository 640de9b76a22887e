"""What methods share whose teacher is the moving average of the student."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from s4former.methods.base import Method, Targets
from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import StrongViewsConfig
from s4former.methods.parts import EMATeacher, EMATeacherConfig, StrongViews, View
from s4former.types import Batch, PseudoLabels, Segmenter, StepOutput, UnlabeledBatch


class WithTeacher(Method):
    """A student, and a teacher that follows it and is what is saved for use.

    Attributes:
        teacher: The moving average of the student's weights.

    Raises:
        TypeError: If the config has no fields of an averaged teacher.
    """

    teacher: EMATeacher
    deployed = "teacher"

    def __init__(self, config: MethodConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        if not isinstance(config, EMATeacherConfig):
            raise TypeError(f"{type(config).__name__} has to derive from EMATeacherConfig as well")
        self.teacher = EMATeacher(config, student)

    @property
    def networks(self) -> Mapping[str, Segmenter]:
        """Student and teacher."""
        return {"student": self.student, "teacher": self.teacher.network}

    def after_update(self, step: int) -> None:
        """Move the teacher toward the student."""
        self.teacher.follow(self.student, step)


class WeakToStrong(WithTeacher):
    """The teacher labels the weak view; the student learns those labels on strong ones, mixed and perturbed.

    Raises:
        TypeError: If the config has no fields of strong views.
    """

    strong: StrongViews

    def __init__(self, config: MethodConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        if not isinstance(config, StrongViewsConfig):
            raise TypeError(f"{type(config).__name__} has to derive from StrongViewsConfig as well")
        self.strong = StrongViews(config, student)

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Targets:
        """Let the teacher label the weak view, and mix the strong ones."""
        config, targets, unlabeled = self.strong.config, self.labeled_targets(batch.labeled), batch.unlabeled
        if unlabeled is None or config.without_unlabeled(batch.key.step):
            return targets
        views, scalars = self.views(batch, unlabeled, self.teacher(unlabeled))
        return targets.with_views(views, config.loss_weights(batch.key.step), scalars)

    def views(
        self, batch: Batch, unlabeled: UnlabeledBatch, pseudo: PseudoLabels
    ) -> tuple[dict[str, View], dict[str, Tensor]]:
        """Return what the student's passes see, by name, and scalars to log."""
        views: tuple[dict[str, View], dict[str, Tensor]] = self.strong(unlabeled, pseudo, batch.key)
        return views

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the labeled loss plus what the strong views have to learn from the weak one."""
        supervised, weights = self.labeled_loss(batch.labeled, targets), targets.class_weights
        return self.output(supervised, self.strong.losses(self.student, targets.views, weights), targets)
