"""Perturbations by name, one file each: what ``method.perturb`` lists, in any method with pseudo-labels."""

from __future__ import annotations

from s4former.methods.parts.perturbations.base import (
    PERTURBATIONS,
    PerturbationConfig,
    PerturbationField,
)

__all__ = ["PERTURBATIONS", "PerturbationConfig", "PerturbationField"]
