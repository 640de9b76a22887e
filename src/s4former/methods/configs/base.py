"""What the configs of all methods share."""

from __future__ import annotations

import importlib
from abc import ABC
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from s4former.augment import LabeledViews
from s4former.config.base import Config

if TYPE_CHECKING:
    from s4former.methods.base import Method
    from s4former.types import Segmenter


class MethodConfig(Config, ABC):
    """The config of a method; it lives in the method's file and builds the method around a student."""

    name: str
    """The method: the name of its file in ``methods/``, or the import path of a file of your own."""

    views: LabeledViews = LabeledViews()
    """The views of a crop that the method looks at, and how each changes in color and sharpness."""

    auxiliary_weight: float = Field(0.4, ge=0)
    """Weight of each auxiliary head's loss on labeled images."""

    class_balance: float = Field(0.0, ge=0, le=1)
    """Power of a class's rarity among all labels seen so far in the weight of its pixels in cross entropies:
    0 weighs all pixels alike, 0.5 by the inverse square root of the frequency, 1 all classes alike."""

    labeled_normalize_by: Literal["all", "labeled"] = "all"
    """What the labeled loss is divided by: ``all`` pixels, as published, or only those with a label."""

    @property
    def least_steps(self) -> int:
        """The steps that a run needs for every part of the method to take part."""
        return 1

    def reads_unlabeled(self, step: int) -> bool:
        """Whether a step looks at unlabeled images; those of one that does not are not even read."""
        return self.views.unlabeled

    def build(self, student: Segmenter) -> Method:
        """Return the method that trains ``student``: the class whose name is this one's without ``Config``.

        It stands in the config's file or, for a config in ``configs``, in the file of that name above it.
        """
        module = importlib.import_module(type(self).__module__.replace(".configs.", "."))
        method: Method = getattr(module, type(self).__name__.removesuffix("Config"))(self, student)
        return method
