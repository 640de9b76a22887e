"""UniMatch V2 as data; its module is in `methods/unimatch_v2.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import ScheduledTeacherConfig, TwoStrongViewsConfig
from s4former.methods.configs.perturbation import PERTURBATIONS, PerturbationField


class UniMatchV2Config(TwoStrongViewsConfig, ScheduledTeacherConfig, MethodConfig):
    """Two strong views with complementary channel dropout; the defaults are the published ones."""

    name: Literal["unimatch_v2"] = "unimatch_v2"
    """The method: this file's name."""

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
