"""S4Former as data; its module is in `methods/s4former.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from s4former.augment import Views
from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import (
    CutMixConfig,
    PseudoLabelConfig,
    ScheduledTeacherConfig,
    ViTPartsConfig,
)


class S4FormerConfig(ScheduledTeacherConfig, PseudoLabelConfig, CutMixConfig, ViTPartsConfig, MethodConfig):
    """PatchShuffle, PASA and NCR on a mean teacher with CutMix; the defaults are the published ones."""

    name: Literal["s4former"] = "s4former"
    """The method: this file's name."""
    views: Views = Views()
    """A weak view for the teacher, and one strong view to learn."""

    @field_validator("views")
    @classmethod
    def _one(cls, views: Views) -> Views:
        """UniMatch's recipes have a policy twice: one of it is what was meant."""
        first, *others = views.strong
        if any(other != first for other in others):
            raise ValueError(
                f"{cls.model_fields['name'].default} learns one strong view, got {len(views.strong)} that "
                f"differ; name one, as in method.views.strong=[{first.name}]"
            )
        return views.model_copy(update={"strong": (first,)})

    patch_shuffle: bool = True
    """Permute blocks of the mixed strong view and restore the feature grid before the head (PatchShuffle)."""
    pasa: bool = True
    """Bias attention toward patches that the teacher is unsure of (PASA)."""
    ncr: bool = True
    """Match the teacher's distribution over the classes other than the pseudo-label (NCR)."""

    pasa_pass: Literal["own", "mixed"] = "own"
    """``own``: a student pass for PASA, as published. ``mixed``: bias the mixed pass and save that one."""

    mix_teacher_logits: bool = True
    """Let the teacher's logits take part in CutMix, so that NCR compares the same pixels."""

    as_released: bool = False
    """Repeat the released step, quirks included: teacher logits not mixed, padding takes part in
    pseudo-labels, one CutMix decision a batch."""
