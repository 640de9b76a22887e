"""S4Former plus: S4Former with what our own measurements added to it, and without what they spoke against.

To the mean teacher with CutMix, PASA and NCR come a threshold for each class, weights by rarity, and classes
of labeled crops pasted onto the strong view (ClassMix). PatchShuffle is off. PASA biases the one mixed pass:
a step costs a pass less than S4Former's. What each is worth: ``docs/methods/s4former_plus.md``.
"""

from __future__ import annotations

from torch import Tensor

from s4former.methods._with_teacher import WeakToStrong
from s4former.methods.configs.s4former_plus import S4FormerPlusConfig
from s4former.methods.parts import ClassMix, View
from s4former.types import Batch, PseudoLabels, Segmenter, UnlabeledBatch


class S4FormerPlus(WeakToStrong):
    """A student, the moving average of its weights, and what earned its place."""

    config: S4FormerPlusConfig

    def __init__(self, config: S4FormerPlusConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.class_mix = ClassMix(config, config.unlabeled_normalize_by, student.num_classes)

    def views(
        self, batch: Batch, unlabeled: UnlabeledBatch, pseudo: PseudoLabels
    ) -> tuple[dict[str, View], dict[str, Tensor]]:
        """Mix the strong view with its next, and paste classes of labeled images onto it."""
        mixed, scalars = super().views(batch, unlabeled, pseudo)
        return {name: self.class_mix(view, batch.labeled) for name, view in mixed.items()}, scalars
