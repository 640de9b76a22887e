"""A batch before its views are made: crops of a byte a channel, and the few numbers drawn for each view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from s4former.augment import Policy
from s4former.types import Batch, Context, DrawKey, Images, LabeledBatch, Labels, UnlabeledBatch


@dataclass(frozen=True)
class View:
    """How one view of some crops is made.

    Attributes:
        policy: What makes it.
        drawn: What the policy drew for each crop.
    """

    policy: Policy
    drawn: Sequence[Any]


@dataclass(frozen=True)
class Crops:
    """Crops of images, and the views that are to be made of them; ``valid`` is False on padding.

    What is around each crop, if it is asked for, are ``windows`` with the ``places`` of `types.Context`.
    """

    pixels: UInt8[Tensor, "b c h w"]
    valid: Bool[Tensor, "b h w"]
    views: tuple[View, ...]
    windows: tuple[UInt8[Tensor, "1 c _ _"], ...] = ()
    places: Float[Tensor, "b 4"] | None = None

    def make_views(self) -> list[Images]:
        """Return the views: on a GPU of all crops at once, on a CPU one by one, as fits its caches."""
        count = len(self.pixels)
        at_once = count if self.pixels.is_cuda else 1
        parts = [slice(start, start + at_once) for start in range(0, count, at_once)]
        made = [torch.empty_like(self.pixels, dtype=torch.float32) for _ in self.views]
        for part in parts:
            for images, view in zip(made, self.views, strict=True):
                images[part] = self._part(view, part)
        return made

    def make_context(self) -> Context | None:
        """Return what is around the crops, changed as the first view is; None if nobody asked for it."""
        if self.places is None:
            return None
        weak = self.views[0]
        images = (
            weak.policy.apply(window.float().div_(255), weak.drawn[number : number + 1])
            for number, window in enumerate(self.windows)
        )
        return Context(tuple(images), self.places)

    def _part(self, view: View, part: slice) -> Images:
        """Return a view of some of the crops, whose padding keeps its color."""
        pixels, valid = self.pixels[part], self.valid[part]
        changed = view.policy.apply(pixels.float().div_(255), view.drawn[part])
        if not valid.is_cuda and valid.all():  # to ask a GPU would be to wait for it
            return changed
        return torch.where(valid[:, None], changed, pixels.float().div_(255))


@dataclass(frozen=True)
class CroppedBatch:
    """All that a `Batch` is made of, in a fraction of its bytes; ``unlabeled`` is None as it is there."""

    labeled: Crops
    labels: Labels
    unlabeled: Crops | None
    key: DrawKey

    def make_views(self) -> Batch:
        """Return the batch, on the device where this is."""
        (images,) = self.labeled.make_views()
        labeled, unlabeled = LabeledBatch(images, self.labels, self.labeled.valid), None
        if self.unlabeled:
            weak, *strong = self.unlabeled.make_views()
            context = self.unlabeled.make_context()
            unlabeled = UnlabeledBatch(weak, tuple(strong), self.unlabeled.valid, context)
        return Batch(labeled, unlabeled, self.key)

    def to(self, target: torch.device) -> CroppedBatch:
        """Return the same on another device; nobody waits for a copy that starts from pinned memory."""
        return self._each(lambda tensor: tensor.to(target, non_blocking=True))

    def pin_memory(self) -> CroppedBatch:
        """Return the same in memory that a GPU reads by itself."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> CroppedBatch:
        def changed(crops: Crops) -> Crops:
            return replace(
                crops,
                pixels=change(crops.pixels),
                valid=change(crops.valid),
                windows=tuple(map(change, crops.windows)),
                places=None if crops.places is None else change(crops.places),
            )

        unlabeled = self.unlabeled and changed(self.unlabeled)
        return CroppedBatch(changed(self.labeled), change(self.labels), unlabeled, self.key)
