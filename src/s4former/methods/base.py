"""What a method is: a config and a module whose forward turns one batch into one loss."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Self

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from s4former.config.base import Config
from s4former.ops.losses import cross_entropy
from s4former.types import Batch, LabeledBatch, Segmenter, StepOutput, Views


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
