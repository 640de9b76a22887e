"""What a method is beside its config: a module that owns the networks and turns a batch into a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from s4former import collectives
from s4former.methods.configs.base import MethodConfig
from s4former.methods.parts.diagnosis import diagnosis
from s4former.methods.parts.perturbation import Perturbation
from s4former.methods.parts.view import View
from s4former.ops.losses import class_counts, class_weights, count_pixels, cross_entropy
from s4former.types import Batch, LabeledBatch, Segmenter, StepOutput


@dataclass(frozen=True)
class Targets:
    """What a step's losses need besides the labeled images, made from the whole batch and without gradients.

    Attributes:
        labeled_pixels: What the labeled loss is divided by.
        class_weights: What a pixel of each class weighs in cross entropies; None: all alike.
        views: Unlabeled images as the student's passes see them, by the pass; none where none takes part.
        labeled_weight: Weight of the labeled loss.
        unlabeled_weight: Weight of all unlabeled losses together.
        scalars: Named scalars of the whole batch to log, still on the device.
    """

    labeled_pixels: Tensor | int
    class_weights: Float[Tensor, " k"] | None
    views: Mapping[str, View] = field(default_factory=dict)
    labeled_weight: float = 1.0
    unlabeled_weight: float = 0.0
    scalars: Mapping[str, Tensor] = field(default_factory=dict)

    def with_views(
        self, views: Mapping[str, View], weights: tuple[float, float], scalars: Mapping[str, Tensor]
    ) -> Targets:
        """Return the same targets with unlabeled images that take part.

        Args:
            views: These images, by the pass.
            weights: Of the labeled loss, and of the unlabeled ones.
            scalars: To log.
        """
        return replace(
            self,
            views=views,
            labeled_weight=weights[0],
            unlabeled_weight=weights[1],
            scalars={**self.scalars, **scalars},
        )

    def part(self, index: int, count: int) -> Targets:
        """Return the targets of part ``index`` of ``count`` equal parts of the batch."""
        return replace(self, views={name: view.part(index, count) for name, view in self.views.items()})


class Method(nn.Module, ABC):
    """A training algorithm. A step is `prepare`, `forward`, the optimizer's move, and `after_update`.

    ``forward`` holds all that takes a gradient, so that a wrapper for several processes wraps the whole
    method, however many passes of the student it needs; and it may be given the batch in parts, whose losses
    add up to that of the whole.

    Attributes:
        deployed: The name, among `networks`, of the network that is saved for use.
    """

    config: MethodConfig
    student: Segmenter
    label_counts: Int[Tensor, " k"]
    deployed: ClassVar[str] = "student"

    def __init__(self, config: MethodConfig, student: Segmenter) -> None:
        super().__init__()
        self.config = config
        self.student = student
        self.register_buffer("label_counts", torch.zeros(student.num_classes, dtype=torch.int64))

    @property
    def networks(self) -> Mapping[str, Segmenter]:
        """The networks worth evaluating, by name, as in ``{"student": ..., "teacher": ...}``."""
        return {"student": self.student}

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Targets:
        """Return what the losses of a step need to know of its whole batch: draws, pseudo-labels, counts."""
        return self.labeled_targets(batch.labeled)

    @abstractmethod
    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the loss of a batch, or of a part of it with the same part of its targets."""

    def after_update(self, step: int) -> None:
        """Follow the student after the optimizer has moved it in ``step``: where teachers move."""
        return

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the student's trainable parameters by group and, as ``method``, the method's own."""
        groups = self.student.parameter_groups()
        students = {id(parameter) for parameter in self.student.parameters()}
        own = [p for p in self.parameters() if p.requires_grad and id(p) not in students]
        return groups | ({"method": own} if own else {})

    def backbone_layers(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the student's backbone by layers."""
        return self.student.backbone_layers()

    def check(self, crop: tuple[int, int]) -> None:
        """Refuse training crops (height, width) that the method cannot work with.

        Raises:
            ValueError: With what to set instead.
        """
        for part in self.modules():
            if isinstance(part, Perturbation):
                part.check(crop)

    def labeled_targets(self, labeled: LabeledBatch) -> Targets:
        """Count the labels of a whole batch, and return what its labeled loss needs."""
        config = self.config
        if found := diagnosis():
            found.labeled(labeled.labels)
        if config.class_balance:
            self.label_counts += collectives.total(class_counts(labeled.labels, self.student.num_classes))
        return Targets(count_pixels(labeled.labels, config.labeled_normalize_by), self.class_weights)

    def labeled_loss(self, labeled: LabeledBatch, targets: Targets) -> Float[Tensor, ""]:
        """Cross entropy of the head and, weighted, of auxiliary heads: the term that all methods share."""
        size = (labeled.images.shape[-2], labeled.images.shape[-1])
        known = labeled.labels, targets.labeled_pixels, targets.class_weights
        features = self.student.encode(labeled.images)
        loss = cross_entropy(self.student.decode(features, size), *known)
        if weight := self.config.auxiliary_weight:
            for logits in self.student.decode_auxiliary(features, size):
                loss = loss + weight * cross_entropy(logits, *known)
        return loss

    @property
    def class_weights(self) -> Float[Tensor, " k"] | None:
        """What a pixel of each class weighs, by the labels seen so far; None without class balance."""
        if not self.config.class_balance:
            return None
        return class_weights(self.label_counts, self.config.class_balance)

    @staticmethod
    def output(
        supervised: Float[Tensor, ""], unlabeled: Mapping[str, Float[Tensor, ""]], targets: Targets
    ) -> StepOutput:
        """Add up the losses of a step, and log each as it enters the sum.

        Args:
            supervised: The labeled loss.
            unlabeled: Unlabeled losses by name.
            targets: With the weights.
        """
        supervised, weight = targets.labeled_weight * supervised, targets.unlabeled_weight
        scalars = {f"loss/{name}": weight * loss.detach() for name, loss in unlabeled.items()}
        loss = supervised + weight * sum(unlabeled.values()) if unlabeled else supervised
        return StepOutput(loss, {"loss/supervised": supervised.detach(), **scalars})
