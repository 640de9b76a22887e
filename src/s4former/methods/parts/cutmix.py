"""CutMix: a box of every strong view comes from the next image, with its labels."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from s4former.methods.configs.parts import CutMixConfig
from s4former.methods.parts.view import View
from s4former.ops.losses import NormalizeBy, count_pixels
from s4former.ops.mixing import cutmix_masks, mix
from s4former.types import Mask


class CutMix(nn.Module):
    """Mixes the images of a whole batch; boxes as released, see `ops.mixing.sample_box`.

    Args:
        config: How often.
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
            "cutmix",
            view.indices.tolist(),
            height,
            width,
            self.config.cutmix_probability,
            per_batch=self.config.cutmix_per == "batch",
        ).to(view.images.device)

    def forward(self, view: View) -> View:
        """Return the mixed view."""
        keep = self.draw(view)
        labels, logits = mix(view.labels, keep), view.teacher_logits
        return replace(
            view,
            images=mix(view.images, keep),
            labels=labels,
            uncertain=mix(view.uncertain, keep),
            teacher_logits=None if logits is None else mix(logits, keep),
            pixels=count_pixels(labels, self.normalize_by),
        )
