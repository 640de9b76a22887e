"""Mean teacher as data; its module is in `methods/mean_teacher.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import ScheduledTeacherConfig, StrongViewsConfig


class MeanTeacherConfig(StrongViewsConfig, ScheduledTeacherConfig, MethodConfig):
    """Confident pseudo-labels of an averaged teacher, learned on the strong view."""

    name: Literal["mean_teacher"] = "mean_teacher"
    """The method: this file's name."""
    cutmix_probability: float = Field(0.0, ge=0, le=1)
    """Probability that a strong view gets a box of another one, labels included."""
