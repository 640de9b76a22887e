"""Pseudo-labels: what a teacher is sure of."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from s4former.ops import across
from s4former.types import IGNORE, PseudoLabel


@torch.no_grad()
def pseudo_labels(
    logits: Float[Tensor, "b k h w"], threshold: float, valid: Bool[Tensor, "b h w"]
) -> PseudoLabel:
    """Turn a teacher's logits into labels where it is confident.

    Args:
        logits: The teacher's logits.
        threshold: A pixel is confident if its largest softmax probability is above this (strictly).
        valid: False on padding, which is never confident.

    Returns:
        The logits in float32, the label map (IGNORE where not confident) and the confident pixels.
    """
    logits = logits.float()
    confidence, label = logits.softmax(dim=1).max(dim=1)
    confident = (confidence > threshold) & valid
    return PseudoLabel(logits, label.masked_fill(~confident, IGNORE), confident)


def confident_share(pseudo: PseudoLabel, valid: Bool[Tensor, "b h w"]) -> Float[Tensor, ""]:
    """Return the share of confident pixels among the valid ones; 0 where all is padding."""
    return pseudo.confident.sum() / across.divisor(valid.sum())
