"""Unlabeled images as one pass of the student sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Int
from torch import Tensor

from s4former.types import IGNORE, DrawKey, Images, Labels, Logits, Mask, part_of


@dataclass(frozen=True)
class View:
    """Unlabeled images, and what a pass of the student is to learn of them.

    Attributes:
        images: The images.
        labels: Class index, by a network or pasted, or IGNORE where nothing is learned.
        uncertain: True where the network that gave the labels is not confident; False on padding.
        teacher_logits: That network's logits; None if no loss asks for them.
        pixels: What losses are divided by, for the whole batch that this view may be a part of.
        indices: Numbers of the images in the global batch, on the CPU: with ``key`` they name the draws.
        key: Seed and step of the draws.
        batch_size: Images of the global batch.
        number: Which one it is of several strong views, from 0.
        pasted: True where a labeled image was pasted, so that no network was asked; None: nowhere.
    """

    images: Images
    labels: Labels
    uncertain: Mask
    teacher_logits: Logits | None
    pixels: Tensor | int
    indices: Int[Tensor, " b"]
    key: DrawKey
    batch_size: int
    number: int = 0
    pasted: Mask | None = None

    @property
    def valid(self) -> Mask:
        """False on padding."""
        return (self.labels != IGNORE) | self.uncertain

    @property
    def pseudo_labels(self) -> Labels:
        """The labels that a network gave: IGNORE where a labeled image was pasted."""
        return self.labels if self.pasted is None else self.labels.masked_fill(self.pasted, IGNORE)

    def stream(self, name: str) -> str:
        """Return the name of draws that each strong view has for itself."""
        return f"{name}/{self.number}" if self.number else name

    def part(self, index: int, count: int) -> View:
        """Return part ``index`` of ``count`` equal parts."""
        logits = self.teacher_logits
        return replace(
            self,
            images=part_of(self.images, index, count),
            labels=part_of(self.labels, index, count),
            uncertain=part_of(self.uncertain, index, count),
            teacher_logits=None if logits is None else part_of(logits, index, count),
            indices=part_of(self.indices, index, count),
            pasted=None if self.pasted is None else part_of(self.pasted, index, count),
        )
