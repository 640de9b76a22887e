"""Mean teacher: an averaged teacher labels the weak view, the student learns those labels on the strong one.

Source: Tarvainen and Valpola, 2017 (averaged teacher); Sohn et al., 2020 (confident pseudo-labels, weak to
strong). The released S4Former code has a configuration of this name that trains no unlabeled loss at all;
this one does. S4Former's parts can be switched on.
"""

from __future__ import annotations

from s4former.methods._with_teacher import WeakToStrong
from s4former.methods.configs.mean_teacher import MeanTeacherConfig


class MeanTeacher(WeakToStrong):
    """A student and the moving average of its weights."""

    config: MeanTeacherConfig
