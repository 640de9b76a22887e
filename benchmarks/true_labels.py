"""A mean teacher that learns the truth in place of its teacher's labels: what better labels could bring.

Never a way to train: it opens the masks of unlabeled images, which a user does not have. It tells two causes
of a missing gain apart. With ``given=kept`` the truth stands where the teacher's labels would have been
learned, with ``given=all`` wherever it is known: what the first lacks to the second is selection, what
`mean_teacher` lacks to the first is wrong labels. The truth is what ``diagnose_truth`` reads, in every step:

    PYTHONPATH=. python benchmarks/camvid.py --rows benchmarks/rows/camvid_causes.yaml --reference all
"""

from __future__ import annotations

from dataclasses import replace
from types import NoneType
from typing import Literal

from torch import Tensor

from s4former.config import UserError
from s4former.methods.configs.mean_teacher import MeanTeacherConfig
from s4former.methods.mean_teacher import MeanTeacher
from s4former.methods.parts import ConfidentPixels, Diagnosis, View, diagnosis
from s4former.types import IGNORE, Batch, Mask, PseudoLabels, Segmenter, UnlabeledBatch


class TrueLabelsConfig(MeanTeacherConfig):
    """A mean teacher's fields, and where the truth is given."""

    name: Literal["benchmarks.true_labels"] = "benchmarks.true_labels"  # type: ignore[assignment]
    given: Literal["kept", "all"] = "kept"
    """On the pixels whose pseudo-labels would have been learned, or on all whose truth is known."""


class TrueLabels(MeanTeacher):
    """A student and the moving average of its weights, which only says where there is something to learn."""

    config: TrueLabelsConfig

    def __init__(self, config: TrueLabelsConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.learned = self.strong.confident_pixels = _Learned(config, student.num_classes)

    def views(
        self, batch: Batch, unlabeled: UnlabeledBatch, pseudo: PseudoLabels
    ) -> tuple[dict[str, View], dict[str, Tensor]]:
        """Return what the student sees, with the truth as its labels.

        Raises:
            UserError: If the truth is not at hand.
        """
        found = diagnosis()
        truth = found.truth if found else None
        if truth is None and type(found) in (Diagnosis, NoneType):  # another one asks for a run's pictures
            raise UserError("true labels need diagnose_every=1 and diagnose_truth=FOLDER_OF_MASKS")
        self.learned.teachers = pseudo if self.config.given == "kept" or truth is None else None
        if truth is None:
            return super().views(batch, unlabeled, pseudo)
        known = truth != IGNORE
        labels = truth.to(pseudo.labels.dtype).where(known, pseudo.labels)
        return super().views(batch, unlabeled, replace(pseudo, labels=labels, valid=pseudo.valid & known))


class _Learned(ConfidentPixels):
    """Keeps what the teacher's own labels would have kept, or all."""

    teachers: PseudoLabels | None = None

    def forward(self, pseudo: PseudoLabels) -> Mask:
        return pseudo.valid if self.teachers is None else super().forward(self.teachers) & pseudo.valid
