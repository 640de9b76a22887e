"""Pseudo-labels: what a network predicts for unlabeled images, and how sure it is."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from s4former import collectives
from s4former.types import PseudoLabels


@torch.no_grad()
def pseudo_labels(logits: Float[Tensor, "b k h w"], valid: Bool[Tensor, "b h w"]) -> PseudoLabels:
    """Turn logits into labels with their confidence.

    Args:
        logits: A network's logits.
        valid: False on padding.
    """
    logits = logits.float()
    confidence, labels = logits.softmax(dim=1).max(dim=1)
    return PseudoLabels(logits, labels, confidence, valid)


def share_of(chosen: Bool[Tensor, "b h w"], valid: Bool[Tensor, "b h w"]) -> Float[Tensor, ""]:
    """Return the share of valid pixels that were chosen; 0 where all is padding."""
    return (chosen & valid).sum() / collectives.normalize_by(valid.sum())
