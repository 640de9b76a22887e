"""UniMatch V2 as data; its module is in `methods/unimatch_v2.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import ScheduledTeacherConfig, TwoStrongViewsConfig
from s4former.methods.configs.perturbation import PERTURBATIONS, PerturbationField

if TYPE_CHECKING:
    from s4former.methods.unimatch_v2 import UniMatchV2
    from s4former.types import Segmenter


class UniMatchV2Config(TwoStrongViewsConfig, ScheduledTeacherConfig, MethodConfig):
    """Two strong views with complementary channel dropout; the defaults are the published ones."""

    name: Literal["unimatch_v2"] = "unimatch_v2"
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
    cutmix_partner: Literal["next", "reversed"] = "reversed"
    """Whose box an image gets: that of the ``next`` image, or of the one at its place in the ``reversed``
    batch, as published."""
    ema_decay: float = Field(0.996, ge=0, lt=1)
    """Share of its old self that the teacher keeps in each step."""
    ema_warmup_steps: int = Field(249, ge=0)
    """Steps over which the decay rises from 0 to ``ema_decay``: with 1 / (1 - ``ema_decay``) - 1 it is
    1 - 1 / (step + 1) until then, as published."""
    perturb: tuple[PerturbationField, ...] = Field(
        default_factory=lambda: (PERTURBATIONS.parse("complementary_dropout"),)
    )
    """Perturbations of the student's passes over the mixed strong views, in the order in which they act,
    behind PatchShuffle and PASA."""

    def build(self, student: Segmenter) -> UniMatchV2:
        """Return the method that trains ``student``."""
        from s4former.methods.unimatch_v2 import UniMatchV2

        return UniMatchV2(self, student)
