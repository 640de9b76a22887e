"""A teacher whose weights are the moving average of the student's."""

from __future__ import annotations

import copy
from typing import Self

from torch import nn

from s4former.methods.configs.parts import EMATeacherConfig, ScheduledTeacherConfig
from s4former.methods.parts.pseudo_labels import labels_by
from s4former.ops.ema import update_teacher, warmed_decay
from s4former.types import Mask, PseudoLabels, Segmenter, UnlabeledBatch


class EMATeacher(nn.Module):
    """Starts as an exact copy of the student, takes no gradient and stays in eval.

    Attributes:
        network: The averaged network, without auxiliary heads.
    """

    def __init__(self, config: EMATeacherConfig, student: Segmenter) -> None:
        super().__init__()
        self.config = config
        self.start = 0
        if isinstance(config, ScheduledTeacherConfig) and config.teacher_starts == "copy_at_start":
            self.start = config.unlabeled_start_step
        self.network = copy.deepcopy(student).requires_grad_(False).eval()
        self.network.drop_auxiliary_heads()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval."""
        return super().train(False)

    def forward(self, unlabeled: UnlabeledBatch, valid: Mask | None = None) -> PseudoLabels:
        """Return the pseudo-labels of crops; ``valid`` as `labels_by` takes it."""
        return labels_by(self.network, unlabeled, valid)

    def follow(self, student: Segmenter, step: int) -> None:
        """Move toward the student, after the optimizer has moved it in ``step``.

        If the teacher is to start as a copy, the last step before it gives labels makes it one: a decay of 0.
        """
        since = step if step + 1 < self.start else step - self.start
        decay = warmed_decay(self.config.ema_decay, since, self.config.ema_warmup_steps) if since >= 0 else 0
        update_teacher(self.network, student, decay)
