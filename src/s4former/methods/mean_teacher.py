"""Mean teacher: an averaged teacher labels the weak view, the student learns those labels on the strong one.

Source: Tarvainen and Valpola, 2017 (averaged teacher); Sohn et al., 2020 (confident pseudo-labels, weak to
strong). The released S4Former code has a configuration of this name that trains no unlabeled loss at all;
this one does.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field

from s4former.methods.base import Method, MethodConfig, frozen_copy, labeled_loss
from s4former.ops.ema import update_teacher, warmed_decay
from s4former.ops.losses import cross_entropy
from s4former.ops.mixing import cutmix_masks, mix
from s4former.ops.pseudo import confident_share, pseudo_labels
from s4former.ops.schedules import ramp
from s4former.types import Batch, Segmenter, StepOutput, Views


class MeanTeacherConfig(MethodConfig):
    """Confident pseudo-labels of an averaged teacher, learned on the strong view."""

    name: Literal["mean_teacher"] = "mean_teacher"

    confidence_threshold: float = Field(0.95, ge=0, le=1)
    """A pixel is learned from where the teacher's largest class probability is above this."""

    ema_decay: float = Field(0.999, ge=0, lt=1)
    """Share of its old self that the teacher keeps in each step."""

    ema_warmup_steps: int = Field(0, ge=0)
    """Steps over which the decay rises from 0 to ``ema_decay``; 0 uses it from the first step."""

    unlabeled_weight: float = Field(1.0, ge=0)
    """Weight of the unlabeled loss."""

    unlabeled_ramp_steps: int = Field(0, ge=0)
    """Steps over which that weight rises linearly from 0."""

    unlabeled_divisor: Literal["all", "valid"] = "all"
    """What the unlabeled loss is divided by: ``all`` pixels, or only those with a pseudo-label."""

    cutmix_probability: float = Field(0.0, ge=0, le=1)
    """Probability that a strong view gets a box of the next one, labels included."""

    def build(self, student: Segmenter) -> MeanTeacher:
        """Return the method that trains ``student``."""
        return MeanTeacher(self, student)


class MeanTeacher(Method):
    """A student and the moving average of its weights."""

    views: ClassVar[Views] = Views(weak=True, strong=1)

    def __init__(self, config: MeanTeacherConfig, student: Segmenter) -> None:
        super().__init__()
        self.config = config
        self.student = student
        self.teacher = frozen_copy(student)

    def forward(self, batch: Batch) -> StepOutput:
        """Return the labeled loss plus the student's disagreement, on the strong view, with the teacher."""
        config = self.config
        supervised = labeled_loss(self.student, batch.labeled, config)
        if batch.unlabeled is None:
            return StepOutput(supervised, {"loss/supervised": supervised.detach()})

        with torch.no_grad():
            logits = self.teacher(batch.unlabeled.weak)
        pseudo = pseudo_labels(logits, config.confidence_threshold, batch.unlabeled.valid)

        (strong,) = batch.unlabeled.strong
        count, height, width = pseudo.labels.shape
        keep = cutmix_masks(
            batch.key, "cutmix", count, height, width, config.cutmix_probability, per_batch=False
        ).to(strong.device)
        consistency = cross_entropy(
            self.student(mix(strong, keep)), mix(pseudo.labels, keep), config.unlabeled_divisor
        )

        weight = config.unlabeled_weight * ramp(batch.key.step, config.unlabeled_ramp_steps)
        scalars = {
            "loss/supervised": supervised.detach(),
            "loss/consistency": consistency.detach(),
            "pseudo/confident": confident_share(pseudo, batch.unlabeled.valid),
        }
        return StepOutput(supervised + weight * consistency, scalars)

    def after_update(self, step: int) -> None:
        """Move the teacher toward the student."""
        decay = warmed_decay(self.config.ema_decay, step, self.config.ema_warmup_steps)
        update_teacher(self.teacher, self.student, decay)

    @property
    def scored(self) -> dict[str, Segmenter]:
        """Student and teacher."""
        return {"student": self.student, "teacher": self.teacher}

    @property
    def deployed(self) -> Segmenter:
        """The teacher: an average is steadier than the last step."""
        return self.teacher
