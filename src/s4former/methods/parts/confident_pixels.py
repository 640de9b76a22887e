"""Which pseudo-labels are learned: by one threshold for all classes, or by one for each."""

from __future__ import annotations

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from s4former import collectives
from s4former.methods.configs.parts import PseudoLabelConfig
from s4former.types import Mask, PseudoLabels

_BINS = 200  # of confidence between 0 and 1
_MEMORY = 0.99  # share of what was seen that stays in each step: some 100 steps count


class ConfidentPixels(nn.Module):
    """Chooses the pixels to learn; with ``class_share`` it remembers how sure the labels of each class were.

    One threshold for all starves the classes that a network is rarely sure of: of these no pixel is learned,
    while the others grow at their cost. With ``class_share`` a class's threshold falls until that share of
    its pixels is learned, the surest ones; it never rises above ``confidence_threshold``.

    Source:
        The thresholds of class-balanced self-training (Zou et al., ECCV 2018), which are quantiles over all
        unlabeled images between two rounds. **We differ:** a running histogram over steps, so it takes no
        pass of its own, and a common threshold as the upper limit.
    """

    seen: Tensor

    def __init__(self, config: PseudoLabelConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        if config.class_share:
            self.register_buffer("seen", torch.zeros(num_classes, _BINS))

    @torch.no_grad()
    def forward(self, pseudo: PseudoLabels) -> Mask:
        """Return where a pseudo-label is learned; a call is a step."""
        if not self.config.class_share:
            return (pseudo.confidence >= self.config.confidence_threshold) & pseudo.valid
        self.seen.mul_(_MEMORY).add_(collectives.total(self._counted(pseudo)))
        thresholds = self.thresholds()
        return (pseudo.confidence >= thresholds[pseudo.labels.long()]) & pseudo.valid

    def thresholds(self) -> Float[Tensor, " k"]:
        """Return the confidence from which on a label of each class is learned."""
        share, highest = self.config.class_share, self.config.confidence_threshold
        surer = self.seen.flip(1).cumsum(1).flip(1)  # weight of the pixels in a bin or in a surer one
        enough = surer >= share * surer[:, :1]
        lowest = (enough.sum(1) - 1) / _BINS  # the start of the surest bin with which it is enough
        return torch.where(surer[:, 0] > 0, lowest.clamp(max=highest), highest)

    def _counted(self, pseudo: PseudoLabels) -> Float[Tensor, "k bins"]:
        """Count the valid pixels of each class by confidence."""
        # What is no number counts nowhere; the loss of such a step is none either, and ends the run in words.
        known = ~pseudo.confidence.isnan()
        bins: Integer[Tensor, "b h w"] = (pseudo.confidence * _BINS).long().clamp(0, _BINS - 1)
        places = (pseudo.labels.long() * _BINS + bins).flatten()
        weights = (pseudo.valid & known).flatten().to(self.seen.dtype)
        return self.seen.new_zeros(self.seen.numel()).scatter_add_(0, places, weights).view_as(self.seen)
