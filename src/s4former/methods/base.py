"""What a method is: a config and a module whose forward turns one batch into one loss."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Self

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from s4former.config.base import Config
from s4former.ops.ema import update_teacher, warmed_decay
from s4former.ops.losses import cross_entropy
from s4former.ops.pseudo import pseudo_labels
from s4former.ops.schedules import ramp
from s4former.types import Batch, Images, LabeledBatch, Mask, PseudoLabel, Segmenter, StepOutput, Views


class MethodConfig(Config, ABC):
    """The config of a method; it lives in the method's file and builds the method around a student."""

    name: str
    """The method: the name of its file in ``methods/``."""

    auxiliary_weight: float = Field(0.4, ge=0)
    """Weight of each auxiliary head's loss on labeled images."""

    labeled_divisor: Literal["all", "valid"] = "all"
    """What the labeled loss is divided by: ``all`` pixels, as published, or only those with a label."""

    @abstractmethod
    def build(self, student: Segmenter) -> Method:
        """Return the method that trains ``student``."""


class Method(nn.Module, ABC):
    """A training algorithm: owns the networks, and its forward is the training step.

    Because the step is ``forward``, a wrapper for several processes wraps the whole method, however many
    passes of the student it needs.
    """

    views: ClassVar[Views]
    student: Segmenter

    @abstractmethod
    def forward(self, batch: Batch) -> StepOutput:
        """Return the loss of one batch, and scalars to log."""

    @abstractmethod
    def after_update(self, step: int) -> None:
        """Follow the student after the optimizer has moved it in ``step``: where teachers move."""

    @property
    @abstractmethod
    def scored(self) -> dict[str, Segmenter]:
        """The networks worth evaluating, by name, as in ``{"student": ..., "teacher": ...}``."""

    @property
    @abstractmethod
    def deployed(self) -> Segmenter:
        """The network that is saved for use: one of `scored`."""

    def train(self, mode: bool = True) -> Self:
        """Set training mode, but keep parts without a trainable parameter (teachers) in eval."""
        super().train(mode)
        for part in self.children():
            if not any(parameter.requires_grad for parameter in part.parameters()):
                part.eval()
        return self


class TeacherConfig(MethodConfig, ABC):
    """What methods with an averaged teacher and confident pseudo-labels have in common."""

    confidence_threshold: float = Field(0.95, ge=0, le=1)
    """A pixel is learned from where the teacher's largest class probability is above this."""

    ema_decay: float = Field(0.999, ge=0, lt=1)
    """Share of its old self that the teacher keeps in each step."""

    ema_warmup_steps: int = Field(0, ge=0)
    """Steps over which the decay rises from 0 to ``ema_decay``; 0 uses it from the first step."""

    unlabeled_weight: float = Field(1.0, ge=0)
    """Weight of all unlabeled losses together."""

    unlabeled_ramp_steps: int = Field(0, ge=0)
    """Steps over which that weight rises linearly from 0."""

    unlabeled_divisor: Literal["all", "valid"] = "all"
    """What unlabeled losses are divided by: ``all`` pixels, or only those with a pseudo-label."""


class TeacherMethod(Method, ABC):
    """A student, and a teacher that follows it and labels the weak view."""

    views: ClassVar[Views] = Views(weak=True, strong=1)
    config: TeacherConfig

    def __init__(self, config: TeacherConfig, student: Segmenter) -> None:
        super().__init__()
        self.config = config
        self.student = student
        self.teacher = frozen_copy(student)

    def teach(self, weak: Images, valid: Mask) -> PseudoLabel:
        """Let the teacher label the weak view."""
        with torch.no_grad():
            return pseudo_labels(self.teacher(weak), self.config.confidence_threshold, valid)

    def unlabeled_weight(self, step: int) -> float:
        """Return the weight of the unlabeled losses in a step."""
        return self.config.unlabeled_weight * ramp(step, self.config.unlabeled_ramp_steps)

    def after_update(self, step: int) -> None:
        """Move the teacher toward the student.

        The released code does this first thing in the next step; the order of events is the same.
        """
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


def labeled_loss(student: Segmenter, labeled: LabeledBatch, config: MethodConfig) -> Float[Tensor, ""]:
    """Cross entropy of the head and, weighted, of the auxiliary heads: the term that all methods share."""
    size = (labeled.images.shape[-2], labeled.images.shape[-1])
    features = student.encode(labeled.images)
    loss = cross_entropy(student.decode(features, size), labeled.labels, config.labeled_divisor)
    for logits in student.decode_auxiliary(features, size):
        loss = loss + config.auxiliary_weight * cross_entropy(logits, labeled.labels, config.labeled_divisor)
    return loss


def frozen_copy(student: Segmenter) -> Segmenter:
    """An exact copy of the student that takes no gradient and stays in eval: the start of every teacher."""
    teacher = copy.deepcopy(student).requires_grad_(False).eval()
    teacher.drop_auxiliary_heads()
    return teacher
