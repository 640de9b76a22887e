"""UniMatch: the student learns its own labels on two strong views and, features dropped, on the weak one.

Source: Yang, Qi, Feng, Zhang, Shi, CVPR 2023, "Revisiting Weak-to-Strong Consistency in Semi-Supervised
Semantic Segmentation" (the released code was read, not compared by numbers): three streams with weights 1/4,
1/4 and 1/2, a threshold of 0.95, one network. **We differ:** the student labels in eval (theirs: in training
mode, which batch norms feel); boxes come from the next image of the batch (theirs: from a second batch,
labeled for it alone); the stream of features encodes the weak view once more.
"""

from __future__ import annotations

import torch

from s4former.methods.base import Method, Targets
from s4former.methods.configs.unimatch import UniMatchConfig
from s4former.methods.parts import Perturbations, StrongViews, labels_by, perturbed
from s4former.methods.parts.perturbations.channel_dropout import ChannelDropoutConfig
from s4former.ops.losses import cross_entropy
from s4former.types import Batch, Segmenter, StepOutput


class UniMatch(Method):
    """One network and three streams."""

    config: UniMatchConfig

    def __init__(self, config: UniMatchConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.strong = StrongViews(config, student)
        self.dropped = Perturbations(
            [ChannelDropoutConfig(probability=config.feature_dropout).build(student)]
        )

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Targets:
        """Let the student label the weak view; mix the strong ones, and keep the weak one to be learned."""
        config, targets, unlabeled = self.config, self.labeled_targets(batch.labeled), batch.unlabeled
        if unlabeled is None or config.without_unlabeled(batch.key.step):
            return targets
        pseudo = labels_by(self.student, unlabeled)
        unmixed = {"features": unlabeled.weak} if config.feature_share else {}
        views, scalars = self.strong(unlabeled, pseudo, batch.key, unmixed)
        return targets.with_views(views, config.loss_weights(batch.key.step), scalars)

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the mean of the labeled loss and that of the three streams."""
        weights, share = targets.class_weights, self.config.feature_share
        supervised = self.labeled_loss(batch.labeled, targets)
        strong = self.strong.losses(self.student, targets.views, weights) if share < 1 else {}
        losses = {name: (1 - share) * loss for name, loss in strong.items()}
        if "features" in targets.views:
            view = targets.views["features"]
            logits = perturbed(self.student, view, self.dropped)
            losses["features"] = share * cross_entropy(logits, view.labels, view.pixels, weights)
        return self.output(supervised, losses, targets)
