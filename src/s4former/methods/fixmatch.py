"""FixMatch: the student labels its own weak view, and learns the confident labels on the strong one.

Source: Sohn et al., 2020, for segmentation. **We differ:** the strong view may have a box of the next image
(CutMix), as all later methods do, and S4Former's parts can be switched on.
"""

from __future__ import annotations

import torch

from s4former.methods.base import Method, Targets
from s4former.methods.configs.fixmatch import FixMatchConfig
from s4former.methods.parts import (
    ConfidentPixels,
    CutMix,
    labeling,
    perturbed,
    unlabeled_losses,
    view_of,
    vit_perturbations,
)
from s4former.ops.pseudo import pseudo_labels, share_of
from s4former.types import Batch, Segmenter, StepOutput


class FixMatch(Method):
    """One network, no teacher."""

    config: FixMatchConfig

    def __init__(self, config: FixMatchConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.confident_pixels = ConfidentPixels(config, student.num_classes)
        self.cutmix = CutMix(config, config.unlabeled_normalize_by)
        self.perturbations = vit_perturbations(config, student)

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Targets:
        """Let the student label the weak view, and mix the strong one."""
        config, targets, unlabeled = self.config, self.labeled_targets(batch.labeled), batch.unlabeled
        if unlabeled is None or config.before_unlabeled_start(batch.key.step):
            return targets
        with labeling(self.student):
            pseudo = pseudo_labels(self.student(unlabeled.weak), unlabeled.valid)
        view = view_of(
            unlabeled.strong[0],
            pseudo,
            self.confident_pixels(pseudo),
            config,
            batch.key,
            with_logits=config.ncr,
        )
        return targets.with_views(
            {"strong": self.cutmix(view)},
            config.unlabeled_weight_at(batch.key.step),
            {"pseudo/confident": share_of(~view.uncertain, pseudo.valid)},
        )

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the labeled loss plus what the strong view has to learn from the weak one."""
        losses = {}
        supervised = self.labeled_loss(batch.labeled, targets)
        for view in targets.views.values():
            logits = perturbed(self.student, view, self.perturbations)
            losses = unlabeled_losses(self.config, logits, view, targets.class_weights)
        return self.output(supervised, losses, targets)
