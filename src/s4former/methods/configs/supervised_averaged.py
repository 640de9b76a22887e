"""Supervised training with averaged weights as data; its module is in `methods/supervised_averaged.py`."""

from __future__ import annotations

from typing import Literal

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import EMATeacherConfig


class SupervisedAveragedConfig(EMATeacherConfig, MethodConfig):
    """Cross entropy on the labeled images; the moving average of the weights is what is saved."""

    name: Literal["supervised_averaged"] = "supervised_averaged"
    """The method: this file's name."""
