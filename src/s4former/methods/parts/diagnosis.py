"""What the pseudo-labels of a step are like: counted while it is taken, and turned into shares afterwards.

Nothing here is learned from. Parts that see pseudo-labels, or what the student makes of them, report to the
diagnosis of the step, if there is one; so every method that is made of them is diagnosed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Float64, Integer
from torch import Tensor
from torch.nn import functional as F

from s4former.types import IGNORE, Labels, Logits, PseudoLabels

ROWS = ("labeled", "called", "kept", "known", "right", "learned", "contradicted", "information")
"""What is counted of each class. Pixels by label: ``labeled``. Pixels by pseudo-label: all, as ``called``;
those that are ``kept`` to be learned; of these those with a ``known`` truth, and those that are ``right``.
And over all passes of the student: kept pixels, as ``learned``; those that it ``contradicted``; and the sum
of their cross entropy, the ``information``."""


class Diagnosis:
    """Counts the pixels of one step, on the device, so that the host waits for nothing.

    Counts add up over the parts of a batch, over processes and over steps.

    Args:
        num_classes: Number of classes.
        device: Where the step is computed.
        truth: Labels of the unlabeled crops, `IGNORE` where nobody knows; they are counted with, no more.

    Attributes:
        counts: By row of `ROWS` and class.
        truth: As given.
    """

    def __init__(self, num_classes: int, device: torch.device, truth: Labels | None = None) -> None:
        self.counts: Float64[Tensor, "rows k"] = torch.zeros(
            len(ROWS), num_classes, dtype=torch.float64, device=device
        )
        self.truth = truth

    def labeled(self, labels: Labels) -> None:
        """Take the labels of labeled images."""
        self._add("labeled", labels, labels != IGNORE)

    def pseudo_labels(self, pseudo: PseudoLabels, kept: Labels) -> None:
        """Take the pseudo-labels of a batch, and those that are learned, `IGNORE` elsewhere."""
        self._add("called", pseudo.labels, pseudo.valid)
        self._add("kept", kept, kept != IGNORE)
        if self.truth is not None:
            known = (kept != IGNORE) & (self.truth != IGNORE)
            self._add("known", kept, known)
            self._add("right", kept, known & (kept == self.truth))

    def student(self, logits: Logits, kept: Labels) -> None:
        """Take what the student makes of a view whose pseudo-labels it learns."""
        logits, learned = logits.detach().float(), kept != IGNORE
        self._add("learned", kept, learned)
        self._add("contradicted", kept, learned & (logits.max(1).indices != kept))
        entropy = F.cross_entropy(logits, kept.long(), ignore_index=IGNORE, reduction="none")
        self._add("information", kept, learned, entropy)

    def _add(
        self,
        row: str,
        labels: Integer[Tensor, "b h w"],
        where: Bool[Tensor, "b h w"],
        values: Float[Tensor, "b h w"] | None = None,
    ) -> None:
        counts = self.counts[ROWS.index(row)]
        places = labels.long().where(where, len(counts)).flatten()
        amounts = (torch.ones_like(labels) if values is None else values).flatten().to(counts.dtype)
        counts += counts.new_zeros(len(counts) + 1).scatter_add_(0, places, amounts)[:-1]


_current: Diagnosis | None = None


@contextmanager
def diagnosing(diagnosis: Diagnosis | None) -> Iterator[None]:
    """Let the parts of a method report to a diagnosis; with None to nobody."""
    global _current
    _current = diagnosis
    try:
        yield
    finally:
        _current = None


def diagnosis() -> Diagnosis | None:
    """Return the diagnosis of the step that is being taken; mostly there is none."""
    return _current


def shares(counts: Sequence[Sequence[float]], names: Sequence[str]) -> dict[str, float]:
    """Return what the counts of some steps say, by the names of a journal; what is undefined is left out.

    Args:
        counts: By row of `ROWS` and class.
        names: Names of the classes.
    """
    by = dict(zip(ROWS, counts, strict=True))
    found: dict[str, float] = {}
    for name, parts, wholes in (
        ("labels/share", by["labeled"], [sum(by["labeled"])] * len(names)),
        ("pseudo/share", by["kept"], [sum(by["kept"])] * len(names)),
        ("pseudo/confident", by["kept"], by["called"]),
        ("pseudo/precision", by["right"], by["known"]),
        ("pseudo/contradicted", by["contradicted"], by["learned"]),
    ):
        each = zip(names, parts, wholes, strict=True)
        found |= {f"{name}/{label}": part / whole for label, part, whole in each if whole}
    for name, part, whole in (
        ("pseudo/precision", by["right"], by["known"]),
        ("pseudo/contradicted", by["contradicted"], by["learned"]),
        ("pseudo/information", by["information"], by["learned"]),
    ):
        if sum(whole):
            found[name] = sum(part) / sum(whole)
    if "pseudo/contradicted" in found:
        found["pseudo/agreement"] = 1 - found["pseudo/contradicted"]
    return found
