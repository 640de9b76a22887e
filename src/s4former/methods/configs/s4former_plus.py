"""S4Former plus as data; its module is in `methods/s4former_plus.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import ClassMixConfig, ScheduledTeacherConfig, StrongViewsConfig


class S4FormerPlusConfig(StrongViewsConfig, ScheduledTeacherConfig, ClassMixConfig, MethodConfig):
    """What our own ablations earned, on a mean teacher with CutMix."""

    name: Literal["s4former_plus"] = "s4former_plus"
    """The method: this file's name."""

    class_share: float = Field(0.6, ge=0, le=1)
    """Lower the threshold of each class until this share of its pixels is learned, the surest ones; 0: one
    threshold for all classes."""
    class_balance: float = Field(0.5, ge=0, le=1)
    """Power of a class's rarity among all labels seen so far in the weight of its pixels in cross entropies:
    0 weighs all pixels alike, 0.5 by the inverse square root of the frequency, 1 all classes alike."""
    class_mix_probability: float = Field(0.5, ge=0, le=1)
    """Probability that half of the classes of a labeled crop are pasted onto a strong view, with labels."""
    pasa: bool = True
    """Bias attention toward patches that the teacher is unsure of (PASA)."""
    ncr: bool = True
    """Match the teacher's distribution over the classes other than the pseudo-label (NCR)."""
