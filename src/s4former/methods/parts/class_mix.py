"""ClassMix from labeled images: half of the classes of a labeled crop are pasted onto a strong view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from s4former.methods.configs.parts import ClassMixConfig
from s4former.methods.parts.view import View
from s4former.ops.losses import NormalizeBy, count_pixels
from s4former.ops.randomness import keyed_generator
from s4former.types import IGNORE, LabeledBatch, Mask


class ClassMix(nn.Module):
    """Pastes pixels of labeled images, with their labels, where these show some of their classes.

    Objects then stand on foreign ground: the student cannot tell a class by its surroundings alone, and rare
    classes are seen as often as labels show them, whatever the teacher says.

    Source:
        Olsson et al., WACV 2021 (ClassMix), which pastes between unlabeled images by their pseudo-labels.
        **We differ:** what is pasted is labeled, as in copy-paste augmentation, so its labels are true.

    Args:
        config: How often.
        normalize_by: What the losses of the mixed view are divided by.
        num_classes: Number of classes.
    """

    def __init__(self, config: ClassMixConfig, normalize_by: NormalizeBy, num_classes: int) -> None:
        super().__init__()
        self.config, self.normalize_by, self.num_classes = config, normalize_by, num_classes

    def forward(self, view: View, labeled: LabeledBatch) -> View:
        """Return the mixed view; where there are as many, image i gets pixels of labeled image i."""
        if not self.config.class_mix_probability:
            return view
        # In order, so that a part of both batches, or a process, holds the partners of its images.
        count = len(view.images)
        partners = torch.arange(count, device=view.images.device) * len(labeled.images) // count
        labels = labeled.labels[partners]
        pasted = self._pasted(view, labels)
        view = replace(
            view,
            images=view.images.where(~pasted[:, None], labeled.images[partners]),
            labels=view.labels.where(~pasted, labels.to(view.labels.dtype)),
            uncertain=view.uncertain & ~pasted,
            pasted=pasted,
        )
        return replace(view, pixels=count_pixels(view.labels, self.normalize_by, view.valid))

    def _pasted(self, view: View, labels: Tensor) -> Mask:
        """Return where each labeled image shows one of its classes that are pasted."""
        key, wanted = view.key, self.config.class_mix_probability
        draws = [keyed_generator(key.seed, "class_mix", key.step, index) for index in view.indices.tolist()]
        takes_part = torch.tensor([draw.random() < wanted for draw in draws])
        order = torch.from_numpy(np.stack([draw.random(self.num_classes) for draw in draws]))
        # The last place is for what nobody knows, which is never pasted.
        places = labels.long().where(labels != IGNORE, self.num_classes).flatten(1)
        nothing = torch.zeros(len(labels), self.num_classes + 1, dtype=torch.bool, device=labels.device)
        shown = nothing.scatter(1, places, True)[:, :-1]
        # Of the classes that an image shows those that were drawn first: half of them, a single one whole.
        drawn_before = order.to(labels.device).masked_fill(~shown, 2.0).argsort(1).argsort(1)
        chosen = shown & (drawn_before < (shown.sum(1, keepdim=True) + 1) // 2)
        chosen &= takes_part.to(labels.device)[:, None]
        return F.pad(chosen, (0, 1)).gather(1, places).view_as(labels)
