"""The methods that S4Former is compared with, each with all other settings of the S4Former run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

from s4former.config.override import override
from s4former.engine.run import Run

Recipe = Callable[[], Run]
MethodName = Literal["supervised", "mean_teacher", "mean_teacher_cutmix", "s4former"]

_CHANGES: dict[MethodName, dict[str, Any]] = {
    "supervised": {"method.name": "supervised"},
    "mean_teacher": {"method.name": "mean_teacher", "method.cutmix_probability": 0.0},
    "mean_teacher_cutmix": {"method.name": "mean_teacher"},  # as often as S4Former: its gain is not CutMix's
    "s4former": {},
}


def with_method(run: Run, method: MethodName) -> Run:
    """Return an S4Former run with another method, which keeps the settings that both have."""
    return override(run, _CHANGES[method])[0]


def baselines(recipe: Recipe, prefix: str = "") -> dict[str, Recipe]:
    """Return the S4Former run of a recipe with each other method, by the method's name."""
    others = (method for method in get_args(MethodName) if method != "s4former")
    return {f"{prefix}{method}": partial(_baseline, recipe, method) for method in others}


def _baseline(recipe: Recipe, method: MethodName) -> Run:
    return with_method(recipe(), method)
