"""FixMatch as data; its module is in `methods/fixmatch.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from s4former.augment import Views
from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import (
    CutMixConfig,
    PseudoLabelConfig,
    UnlabeledScheduleConfig,
    ViTPartsConfig,
)

if TYPE_CHECKING:
    from s4former.methods.fixmatch import FixMatch
    from s4former.types import Segmenter


class FixMatchConfig(UnlabeledScheduleConfig, PseudoLabelConfig, CutMixConfig, ViTPartsConfig, MethodConfig):
    """Confident pseudo-labels of the student itself, learned on the strong view."""

    name: Literal["fixmatch"] = "fixmatch"
    """The method: this file's name."""
    views: Views = Views()
    """A weak view to label, and one strong view to learn."""

    def build(self, student: Segmenter) -> FixMatch:
        """Return the method that trains ``student``."""
        from s4former.methods.fixmatch import FixMatch

        return FixMatch(self, student)
