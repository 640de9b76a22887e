"""S4Former: a mean teacher with three ingredients made for vision transformers.

PatchShuffle permutes blocks of the student's input and restores the feature grid before the head; PASA pulls
the attention of unsure patches toward unsure patches; NCR matches the teacher's distribution over the classes
that a pixel is *not*.

Source: the released code of Hu, Jiang, Schiele, CVPR 2024, "Training Vision Transformers for Semi-Supervised
Semantic Segmentation": every loss, gradient, averaged weight and batch-norm statistic of one step is equal,
with ``as_released=True``, to the tolerances of ``tests/golden/test_step.py``.
**We differ** by default: the teacher's logits take part in CutMix, as its labels do (released: NCR compares
different pixels inside the box); padding teaches nothing; each image draws its own CutMix decision; and the
teacher starts as an exact copy of the student, head included. See ``docs/methods/s4former.md``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from s4former.methods._with_teacher import WithTeacher
from s4former.methods.base import Targets
from s4former.methods.configs.s4former import S4FormerConfig
from s4former.methods.parts import (
    ConfidentPixels,
    CutMix,
    Perturbations,
    View,
    perturbed,
    unlabeled_losses,
    view_of,
    vit_perturbations,
)
from s4former.ops.losses import cross_entropy
from s4former.ops.pseudo import share_of
from s4former.types import Batch, Segmenter, StepOutput


class S4Former(WithTeacher):
    """A student, the moving average of its weights, and S4Former's three parts."""

    config: S4FormerConfig

    def __init__(self, config: S4FormerConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.confident_pixels = ConfidentPixels(config, student.num_classes)
        boxes = config.model_copy(update={"cutmix_per": "batch"}) if config.as_released else config
        self.cutmix = CutMix(boxes, config.unlabeled_normalize_by)
        own = config.pasa and config.pasa_pass == "own"
        alone: dict[str, Any] = {"patch_shuffle": False, "perturb": ()}
        mixed: dict[str, Any] = {"pasa": config.pasa and not own}
        passes = {"pasa": alone, "mixed": mixed} if own else {"mixed": mixed}
        self.passes = nn.ModuleDict(
            {name: vit_perturbations(config.model_copy(update=off), student) for name, off in passes.items()}
        )

    @torch.no_grad()
    def prepare(self, batch: Batch) -> Targets:
        """Let the teacher label the weak view; the passes see the strong view, as it is and mixed."""
        config, targets, unlabeled = self.config, self.labeled_targets(batch.labeled), batch.unlabeled
        if unlabeled is None or config.without_unlabeled(batch.key.step):
            return targets
        valid = torch.ones_like(unlabeled.valid) if config.as_released else unlabeled.valid
        pseudo = self.teacher(unlabeled, valid)
        strong = view_of(
            unlabeled.strong[0],
            pseudo,
            self.confident_pixels(pseudo),
            config,
            batch.key,
            with_logits=config.ranks,
        )
        views = {"pasa": strong, "mixed": self.mix(strong, batch)}
        return targets.with_views(
            {name: views[name] for name in self.passes},
            config.loss_weights(batch.key.step),
            {"pseudo/confident": share_of(~strong.uncertain, valid)},
        )

    def mix(self, strong: View, batch: Batch) -> View:
        """Give each image of the strong view a box of the next one, labels and teacher's logits included."""
        mixed: View = self.cutmix(strong)
        if self.config.as_released or not self.config.mix_teacher_logits:
            return replace(mixed, teacher_logits=strong.teacher_logits)
        return mixed

    def forward(self, batch: Batch, targets: Targets) -> StepOutput:
        """Return the labeled loss, and those of the pass with PASA and of the mixed and shuffled one."""
        supervised, weights = self.labeled_loss(batch.labeled, targets), targets.class_weights
        losses = {}
        # Two student passes share the weight of one, so switching PASA on or off keeps the sum.
        share = 1 / len(self.passes)
        if "pasa" in targets.views:
            view = targets.views["pasa"]
            logits = perturbed(self.student, view, cast(Perturbations, self.passes["pasa"]))
            losses["pasa"] = share * cross_entropy(logits, view.labels, view.pixels, weights)
        if "mixed" in targets.views:
            view = targets.views["mixed"]
            logits = perturbed(self.student, view, cast(Perturbations, self.passes["mixed"]))
            learned = unlabeled_losses(self.config, logits, view, weights)
            losses["mixed"] = share * learned.pop("consistency")
            losses |= learned
        return self.output(supervised, losses, targets)
