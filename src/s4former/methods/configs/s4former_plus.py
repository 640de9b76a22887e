"""S4Former plus as data; its module is in `methods/s4former_plus.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from s4former.augment import Views
from s4former.methods.configs.parts import ClassMixConfig
from s4former.methods.configs.s4former import S4FormerConfig


class S4FormerPlusConfig(S4FormerConfig, ClassMixConfig):
    """S4Former with what our own measurements added; the defaults are what they support."""

    name: Literal["s4former_plus"] = "s4former_plus"  # type: ignore[assignment]
    """The method: this file's name."""

    views: Views = Views(context=2.0)
    """A weak view for the teacher, in what is around it, and one strong view to learn."""
    class_share: float = Field(0.6, ge=0, le=1)
    """Lower the threshold of each class until this share of its pixels is learned, the surest ones; 0: one
    threshold for all classes."""
    class_balance: float = Field(0.5, ge=0, le=1)
    """Power of a class's rarity among all labels seen so far in the weight of its pixels in cross entropies:
    0 weighs all pixels alike, 0.5 by the inverse square root of the frequency, 1 all classes alike."""
    patch_shuffle: bool = False
    """Permute blocks of the mixed strong view and restore the feature grid before the head (PatchShuffle)."""
