"""What a method is: a config and a module whose forward turns one batch into one loss."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Self

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from s4former.config.base import Config
from s4former.ops import across
from s4former.ops.ema import update_teacher, warmed_decay
from s4former.ops.losses import class_counts, class_weights, cross_entropy
from s4former.ops.pseudo import pseudo_labels
from s4former.ops.schedules import ramp
from s4former.types import (
    Batch,
    Images,
    LabeledBatch,
    Mask,
    PseudoLabel,
    Segmenter,
    StepOutput,
    Views,
)


class MethodConfig(Config, ABC):
    """The config of a method; it lives in the method's file and builds the method around a student."""

    name: str
    """The method: the name of its file in ``methods/``."""

    auxiliary_weight: float = Field(0.4, ge=0)
    """Weight of each auxiliary head's loss on labeled images."""

    class_balance: float = Field(0.0, ge=0, le=1)
    """Power of a class's rarity among all labels seen so far in the weight of its pixels in cross entropies:
    0 weighs all pixels alike, 0.5 by the inverse square root of the frequency, 1 all classes alike."""

    labeled_divisor: Literal["all", "valid"] = "all"
    """What the labeled loss is divided by: ``all`` pixels, as published, or only those with a label."""

    @property
    def least_steps(self) -> int:
        """The steps that a run needs for every part of the method to take part."""
        return 1

    @abstractmethod
    def build(self, student: Segmenter) -> Method:
        """Return the method that trains ``student``."""


class Method(nn.Module, ABC):
    """A training algorithm: owns the networks, and its forward is the training step.

    Because the step is ``forward``, a wrapper for several processes wraps the whole method, however many
    passes of the student it needs.
    """

    views: ClassVar[Views]
    config: MethodConfig
    student: Segmenter
    label_counts: Int[Tensor, " k"]

    def __init__(self, config: MethodConfig, student: Segmenter) -> None:
        super().__init__()
        self.config = config
        self.student = student
        self.register_buffer("label_counts", torch.zeros(student.num_classes, dtype=torch.int64))

    def labeled_loss(self, labeled: LabeledBatch) -> Float[Tensor, ""]:
        """Cross entropy of the head and, weighted, of auxiliary heads: the term that all methods share."""
        config = self.config
        if config.class_balance:
            counts = class_counts(labeled.labels, self.student.num_classes)
            self.label_counts += across.total(counts)
        size = (labeled.images.shape[-2], labeled.images.shape[-1])
        features = self.student.encode(labeled.images)
        weights = self.class_weights
        loss = cross_entropy(
            self.student.decode(features, size), labeled.labels, config.labeled_divisor, weights
        )
        for logits in self.student.decode_auxiliary(features, size):
            auxiliary = cross_entropy(logits, labeled.labels, config.labeled_divisor, weights)
            loss = loss + config.auxiliary_weight * auxiliary
        return loss

    @property
    def class_weights(self) -> Float[Tensor, " k"] | None:
        """What a pixel of each class weighs, by the labels seen so far; None without class balance."""
        if not self.config.class_balance:
            return None
        return class_weights(self.label_counts, self.config.class_balance)

    @abstractmethod
    def forward(self, batch: Batch) -> StepOutput:
        """Return the loss of one batch, and scalars to log."""

    def check(self, crop: tuple[int, int]) -> None:
        """Refuse a crop, given by height and width, that the method cannot train on.

        Raises:
            UserError: If the crop does not fit; the message says which does.
        """

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

    unlabeled_start_step: int = Field(0, ge=0)
    """Steps that learn from the labeled images alone before; they cost what supervised steps cost."""

    unlabeled_ramp_steps: int = Field(0, ge=0)
    """Steps over which that weight then rises linearly from 0."""

    unlabeled_divisor: Literal["all", "valid"] = "all"
    """What unlabeled losses are divided by: ``all`` pixels, or only those with a pseudo-label."""

    @property
    def least_steps(self) -> int:
        """One more than those that learn from the labeled images alone."""
        return self.unlabeled_start_step + 1


class TeacherMethod(Method, ABC):
    """A student, and a teacher that follows it and labels the weak view."""

    views: ClassVar[Views] = Views(weak=True, strong=1)
    config: TeacherConfig

    def __init__(self, config: TeacherConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.teacher = frozen_copy(student)

    def teach(self, weak: Images, valid: Mask) -> PseudoLabel:
        """Let the teacher label the weak view."""
        with torch.no_grad():
            return pseudo_labels(self.teacher(weak), self.config.confidence_threshold, valid)

    def unlabeled_weight(self, step: int) -> float:
        """Return the weight of the unlabeled losses in a step."""
        config = self.config
        return config.unlabeled_weight * ramp(step - config.unlabeled_start_step, config.unlabeled_ramp_steps)

    def too_early(self, step: int) -> bool:
        """Whether a step still learns from labeled images alone."""
        return step < self.config.unlabeled_start_step

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


def frozen_copy(student: Segmenter) -> Segmenter:
    """An exact copy of the student that takes no gradient and stays in eval: the start of every teacher."""
    teacher = copy.deepcopy(student).requires_grad_(False).eval()
    teacher.drop_auxiliary_heads()
    return teacher
