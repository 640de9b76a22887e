"""Perturbations of a student's pass, and the one way in which a perturbed pass is made."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import Any, cast

from torch import nn

from s4former.methods.parts.diagnosis import diagnosis
from s4former.methods.parts.view import View
from s4former.types import AttentionBias, Features, Logits, Segmenter


class Perturbation(nn.Module):
    """Changes what the student sees, how its patches attend, or its features: any of the three.

    Several in a row are undone in reverse order. One that draws does so from the view's key and indices, so
    that a part of a batch has the draws that it has in the whole one.

    Attributes:
        repetition: How many of its kind act before it in the same pass. It is part of the name of its draws,
            so that two don't draw alike.
    """

    repetition: int = 0

    def before(self, view: View) -> View:
        """Return the view that enters the backbone; images and confidence move together."""
        return view

    def bias(self, view: View) -> AttentionBias | None:
        """Return what is added to the attention scores, [query, key]; None: nothing."""
        return None

    def after(self, grids: Features, view: View) -> Features:
        """Return the feature grids that enter the head."""
        return grids

    def check(self, crop: tuple[int, int]) -> None:
        """Refuse training crops (height, width) that cannot be perturbed.

        Raises:
            ValueError: With what to set instead.
        """

    def forward(self, *_: Any) -> Any:
        """Not how a perturbation is used; see `perturbed`."""
        raise TypeError("a perturbation is no layer: pass it to `perturbed`")


class Perturbations(nn.ModuleList):
    """Perturbations in the order in which they act."""

    def __iter__(self) -> Iterator[Perturbation]:
        return cast(Iterator[Perturbation], super().__iter__())


def perturbed(student: Segmenter, view: View, parts: Perturbations) -> Logits:
    """Pass a view through the student with some perturbations; logits at image size, in the true layout."""
    size = (view.images.shape[-2], view.images.shape[-1])
    pseudo_labels = view.pseudo_labels
    for part in parts:
        view = part.before(view)
    biases = [bias for part in parts if (bias := part.bias(view)) is not None]
    grids = student.encode(view.images, reduce(add, biases) if biases else None)
    for part in reversed(list(parts)):
        grids = part.after(grids, view)
    logits = student.decode(grids, size)
    if found := diagnosis():
        found.student(logits, pseudo_labels)
    return logits
