"""S4Former plus as data; its module is in `methods/s4former_plus.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import ClassMixConfig, ComplementaryViewsConfig


class S4FormerPlusConfig(ComplementaryViewsConfig, ClassMixConfig, MethodConfig):
    """What our own measurements earned: UniMatch V2's two views, PASA in both, weights by class."""

    name: Literal["s4former_plus"] = "s4former_plus"
    """The method: this file's name."""

    class_share: float = Field(0.6, ge=0, le=1)
    """Lower the threshold of each class until this share of its pixels is learned, the surest ones; 0: one
    threshold for all classes."""
    class_balance: float = Field(0.5, ge=0, le=1)
    """Power of a class's rarity among all labels seen so far in the weight of its pixels in cross entropies:
    0 weighs all pixels alike, 0.5 by the inverse square root of the frequency, 1 all classes alike."""
    pasa: bool = True
    """Bias attention toward patches that the teacher is unsure of (PASA)."""
