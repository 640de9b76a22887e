"""S4Former plus: S4Former with what our own measurements added to it, and without what they spoke against.

The teacher labels a crop in what is around it, each class has its own threshold, and rare classes weigh more;
PatchShuffle is off. Classes of labeled crops can be pasted onto the mixed view (ClassMix), which is off as
well. What each is worth: ``docs/methods/s4former_plus.md``.
"""

from __future__ import annotations

from s4former.methods.configs.s4former_plus import S4FormerPlusConfig
from s4former.methods.parts import ClassMix, View
from s4former.methods.s4former import S4Former
from s4former.types import Batch, Segmenter


class S4FormerPlus(S4Former):
    """A student, the moving average of its weights, S4Former's parts, and what earned its place."""

    config: S4FormerPlusConfig

    def __init__(self, config: S4FormerPlusConfig, student: Segmenter) -> None:
        super().__init__(config, student)
        self.class_mix = ClassMix(config, config.unlabeled_normalize_by, student.num_classes)

    def mix(self, strong: View, batch: Batch) -> View:
        """Mix the strong view with its next, and paste classes of labeled images onto it."""
        mixed: View = self.class_mix(super().mix(strong, batch), batch.labeled)
        return mixed
