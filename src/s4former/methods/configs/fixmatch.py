"""FixMatch as data; its module is in `methods/fixmatch.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import StrongViewsConfig

if TYPE_CHECKING:
    from s4former.methods.fixmatch import FixMatch
    from s4former.types import Segmenter


class FixMatchConfig(StrongViewsConfig, MethodConfig):
    """Confident pseudo-labels of the student itself, learned on the strong view."""

    name: Literal["fixmatch"] = "fixmatch"
    """The method: this file's name."""

    def build(self, student: Segmenter) -> FixMatch:
        """Return the method that trains ``student``."""
        from s4former.methods.fixmatch import FixMatch

        return FixMatch(self, student)
