"""Supervised training with averaged weights as data; its module is in `methods/supervised_averaged.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import EMATeacherConfig

if TYPE_CHECKING:
    from s4former.methods.supervised_averaged import SupervisedAveraged
    from s4former.types import Segmenter


class SupervisedAveragedConfig(EMATeacherConfig, MethodConfig):
    """Cross entropy on the labeled images; the moving average of the weights is what is saved."""

    name: Literal["supervised_averaged"] = "supervised_averaged"
    """The method: this file's name."""

    def build(self, student: Segmenter) -> SupervisedAveraged:
        """Return the method that trains ``student``."""
        from s4former.methods.supervised_averaged import SupervisedAveraged

        return SupervisedAveraged(self, student)
