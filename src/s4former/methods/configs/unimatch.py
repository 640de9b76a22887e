"""UniMatch as data; its module is in `methods/unimatch.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import TwoStrongViewsConfig

if TYPE_CHECKING:
    from s4former.methods.unimatch import UniMatch
    from s4former.types import Segmenter


class UniMatchConfig(TwoStrongViewsConfig, MethodConfig):
    """Two strong views, and the weak view with dropped features; the defaults are the published ones."""

    name: Literal["unimatch"] = "unimatch"
    """The method: this file's name."""

    labeled_normalize_by: Literal["all", "labeled"] = "labeled"
    """What the labeled loss is divided by: ``all`` pixels, or only those with a label, as published."""
    unlabeled_normalize_by: Literal["all", "unpadded", "labeled"] = "unpadded"
    """What unlabeled losses are divided by: ``all`` pixels, those that are not padding, as published, or only
    those with a pseudo-label."""
    average_losses: bool = True
    """Divide the sum of the labeled loss and the weighted unlabeled ones by the sum of their weights, 1 and
    ``unlabeled_weight``, as published: AdamW hardly sees the difference, SGD does."""
    cutmix_box: Literal["half", "small"] = "small"
    """``half``: boxes of half of the image, as S4Former has them; ``small``: of 2 to 40 %, as published."""

    feature_share: float = Field(0.5, ge=0, le=1)
    """Share of the weak view with dropped features in the unlabeled loss; the strong views share the rest."""
    feature_dropout: float = Field(0.5, ge=0, lt=1)
    """Probability that a channel of the weak view's features is dropped; the others grow by as much."""

    def build(self, student: Segmenter) -> UniMatch:
        """Return the method that trains ``student``."""
        from s4former.methods.unimatch import UniMatch

        return UniMatch(self, student)
