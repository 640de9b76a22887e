"""Names of recipes: methods that S4Former is compared with, networks, splits. Knows no torch.

A baseline has all other settings of the S4Former run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from s4former.config.override import override

if TYPE_CHECKING:
    from s4former.engine.run import Run
    from s4former.recipes._published import Network

Recipe: TypeAlias = "Callable[[], Run]"
MethodName = Literal["supervised", "mean_teacher", "mean_teacher_cutmix", "s4former"]
_NETWORKS: tuple[tuple[Network, str], ...] = (("setr", ""), ("segformer", "segformer."))
"""Networks, and the part of a recipe's name that says so."""


def with_method(run: Run, method: MethodName) -> Run:
    """Return an S4Former run with another method, which keeps the settings that both have."""
    if method == "s4former":
        return run
    changes: dict[str, Any] = {"method.name": method.removesuffix("_cutmix")}
    if method == "mean_teacher":
        changes["method.cutmix_probability"] = 0.0
    if method == "mean_teacher_cutmix":  # as often as S4Former has it, so that its gain is not CutMix's
        changes["method.cutmix_probability"] = run.method.model_dump()["cutmix_probability"]
    return override(run, changes)[0]


def baselines(recipe: Recipe, prefix: str = "") -> dict[str, Recipe]:
    """Return the S4Former run of a recipe with each other method, by the method's name."""
    others = (method for method in get_args(MethodName) if method != "s4former")
    return {f"{prefix}{method}": partial(_baseline, recipe, method) for method in others}


def _baseline(recipe: Recipe, method: MethodName) -> Run:
    return with_method(recipe(), method)


def published(dataset: str, lists: Mapping[str, str], **settings: Any) -> dict[str, Recipe]:
    """Return a run for each split, network and method: ``SPLIT.METHOD`` and ``SPLIT.segformer.METHOD``.

    Args:
        dataset: What `s4former prepare` calls the data set.
        lists: Where the lists of each split are, see `published_run`.
        settings: What else `published_run` takes.
    """
    return {
        f"{split}.{part}{method}": partial(_published, dataset, files, network, method, settings)
        for split, files in lists.items()
        for network, part in _NETWORKS
        for method in get_args(MethodName)
    }


def _published(
    dataset: str, lists: str, network: Network, method: MethodName, settings: Mapping[str, Any]
) -> Run:
    from s4former.recipes._published import published_run

    return with_method(published_run(dataset, lists, network, **settings), method)
