"""Names of recipes: methods that S4Former is compared with, networks, splits. Knows no torch.

A baseline has all other settings of the S4Former run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from s4former.config.override import override

if TYPE_CHECKING:
    from s4former.engine.run import Run

Recipe: TypeAlias = "Callable[[], Run]"
Network = Literal["setr", "segformer"]
MethodName = Literal["supervised", "mean_teacher", "mean_teacher_cutmix", "s4former"]

# What S4Former adds, which mean teacher has as switches.
_PLAIN = {f"method.{part}": False for part in ("patch_shuffle", "pasa", "ncr")}
_CHANGES: dict[MethodName, dict[str, Any]] = {
    "supervised": {"method.name": "supervised"},
    "mean_teacher": {"method.name": "mean_teacher", **_PLAIN, "method.cutmix_probability": 0.0},
    # CutMix as often as S4Former has it, so that the gain of S4Former is not CutMix's.
    "mean_teacher_cutmix": {"method.name": "mean_teacher", **_PLAIN},
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


def family(splits: Iterable[str], make: Callable[[str, Network, MethodName], Run]) -> dict[str, Recipe]:
    """Return ``make`` for each split, network and method: ``SPLIT.METHOD`` and ``SPLIT.segformer.METHOD``."""
    return {
        ".".join(part for part in (split, "" if network == "setr" else network, method) if part): partial(
            make, split, network, method
        )
        for split in splits
        for network in get_args(Network)
        for method in get_args(MethodName)
    }
