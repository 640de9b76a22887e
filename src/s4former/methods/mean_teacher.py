"""Mean teacher: an averaged teacher labels the weak view, the student learns those labels on the strong one.

Source: Tarvainen and Valpola, 2017 (averaged teacher); Sohn et al., 2020 (confident pseudo-labels, weak to
strong). The released S4Former code has a configuration of this name that trains no unlabeled loss at all;
this one does.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from s4former.methods.base import TeacherConfig, TeacherMethod
from s4former.ops.losses import cross_entropy
from s4former.ops.mixing import cutmix_masks, mix
from s4former.ops.pseudo import confident_share
from s4former.types import Batch, Segmenter, StepOutput


class MeanTeacherConfig(TeacherConfig):
    """Confident pseudo-labels of an averaged teacher, learned on the strong view."""

    name: Literal["mean_teacher"] = "mean_teacher"
    """The method: this file's name."""

    cutmix_probability: float = Field(0.0, ge=0, le=1)
    """Probability that a strong view gets a box of the next one, labels included."""

    def build(self, student: Segmenter) -> MeanTeacher:
        """Return the method that trains ``student``."""
        return MeanTeacher(self, student)


class MeanTeacher(TeacherMethod):
    """A student and the moving average of its weights."""

    config: MeanTeacherConfig

    def forward(self, batch: Batch) -> StepOutput:
        """Return the labeled loss plus the student's disagreement, on the strong view, with the teacher."""
        config = self.config
        supervised = self.labeled_loss(batch.labeled)
        if batch.unlabeled is None or self.too_early(batch.key.step):
            return StepOutput(supervised, {"loss/supervised": supervised.detach()})

        (strong,) = batch.unlabeled.strong
        pseudo = self.teach(batch.unlabeled.weak, batch.unlabeled.valid)
        count, height, width = pseudo.labels.shape
        keep = cutmix_masks(
            batch.key, "cutmix", count, height, width, config.cutmix_probability, per_batch=False
        ).to(strong.device)
        consistency = cross_entropy(
            self.student(mix(strong, keep)),
            mix(pseudo.labels, keep),
            config.unlabeled_divisor,
            self.class_weights,
        )
        scalars = {
            "loss/supervised": supervised.detach(),
            "loss/consistency": consistency.detach(),
            "pseudo/confident": confident_share(pseudo, batch.unlabeled.valid),
        }
        return StepOutput(supervised + self.unlabeled_weight(batch.key.step) * consistency, scalars)
