"""CutMix: a box of every strong view comes from another image, with its labels."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from s4former.methods.configs.parts import CutMixConfig
from s4former.methods.parts.view import View
from s4former.ops.losses import NormalizeBy, count_pixels
from s4former.ops.mixing import cutmix_masks, mix
from s4former.types import Mask


class CutMix(nn.Module):
    """Mixes the images of a whole batch; see `ops.mixing` for the boxes.

    Args:
        config: How often, which boxes, and whose.
        normalize_by: What the losses of the mixed view are divided by.
    """

    def __init__(self, config: CutMixConfig, normalize_by: NormalizeBy) -> None:
        super().__init__()
        self.config, self.normalize_by = config, normalize_by

    def draw(self, view: View) -> Mask:
        """Return where images keep their own pixels, the same at every call."""
        height, width = view.images.shape[-2:]
        return cutmix_masks(
            view.key,
            view.stream("cutmix"),
            view.indices.tolist(),
            height,
            width,
            self.config.cutmix_probability,
            per_batch=self.config.cutmix_per == "batch",
            box=self.config.cutmix_box,
        ).to(view.images.device)

    def forward(self, view: View) -> View:
        """Return the mixed view."""
        mixed = partial(mix, keep=self.draw(view), partner=self.config.cutmix_partner)
        logits = view.teacher_logits
        view = replace(
            view,
            images=mixed(view.images),
            labels=mixed(view.labels),
            uncertain=mixed(view.uncertain),
            teacher_logits=None if logits is None else mixed(logits),
        )
        return replace(view, pixels=count_pixels(view.labels, self.normalize_by, view.valid))
