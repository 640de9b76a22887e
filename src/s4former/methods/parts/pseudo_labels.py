"""Pseudo-labels of unlabeled images: who gives them, and which of them are learned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from s4former import collectives
from s4former.methods.configs.parts import PseudoLabelConfig
from s4former.methods.parts.diagnosis import diagnosis
from s4former.methods.parts.view import View
from s4former.ops.losses import count_pixels
from s4former.ops.pseudo import pseudo_labels
from s4former.ops.resize import resample
from s4former.types import IGNORE, DrawKey, Images, Mask, PseudoLabels, UnlabeledBatch


@contextmanager
def labeling(network: nn.Module) -> Iterator[None]:
    """Let a network give labels: in eval and without gradients; its own mode comes back afterwards."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


def labels_by(network: nn.Module, unlabeled: UnlabeledBatch, valid: Mask | None = None) -> PseudoLabels:
    """Return the pseudo-labels that a network gives to crops, seen alone or in what is around them.

    Args:
        network: The network.
        unlabeled: The crops.
        valid: False on padding; by default as the batch says.
    """
    context, size = unlabeled.context, (unlabeled.weak.shape[-2], unlabeled.weak.shape[-1])
    with labeling(network):
        if context is None:
            logits = network(unlabeled.weak)
        else:  # one by one: sizes differ, and processes that share weights have to ask equally often
            windows = zip(context.images, context.places, strict=True)
            logits = torch.cat([resample(network(image), place, size) for image, place in windows])
        return pseudo_labels(logits, unlabeled.valid if valid is None else valid)


def view_of(
    images: Images,
    pseudo: PseudoLabels,
    confident: Mask,
    config: PseudoLabelConfig,
    key: DrawKey,
    with_logits: bool,
    number: int = 0,
) -> View:
    """Return the view of unlabeled images in which confident pixels are learned.

    Args:
        images: What the student sees, with the geometry of what was labeled.
        pseudo: The pseudo-labels.
        confident: Which of them are learned.
        config: What losses are divided by.
        key: Seed and step of the draws.
        with_logits: Whether a loss asks for the logits behind the labels.
        number: Which one it is of several strong views, from 0.
    """
    labels = pseudo.labels.masked_fill(~confident, IGNORE)
    if found := diagnosis():
        found.pseudo_labels(pseudo, labels)
    return View(
        images=images,
        labels=labels,
        uncertain=~confident & pseudo.valid,
        teacher_logits=pseudo.logits if with_logits else None,
        pixels=count_pixels(labels, config.unlabeled_normalize_by, pseudo.valid),
        indices=torch.tensor(collectives.global_indices(images.shape[0])),
        key=key,
        batch_size=images.shape[0] * collectives.world_size(),
        number=number,
    )
