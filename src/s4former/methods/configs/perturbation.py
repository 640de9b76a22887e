"""What a perturbation by name is: a config that builds it for a student."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, SerializeAsAny

from s4former.config.base import Config
from s4former.config.listed import Listed

if TYPE_CHECKING:
    from s4former.methods.parts.perturbation import Perturbation
    from s4former.types import Segmenter


class PerturbationConfig(Config, ABC):
    """The config of a perturbation; it lives in the perturbation's file."""

    name: str
    """The perturbation: the name of its file, or the import path of a file of your own."""

    @abstractmethod
    def build(self, student: Segmenter) -> Perturbation:
        """Return the perturbation of a student's pass."""


PERTURBATIONS: Listed[PerturbationConfig] = Listed(
    "s4former.methods.parts.perturbations",
    PerturbationConfig,  # type: ignore[type-abstract]
    "perturbation",
)
"""All perturbations by name."""
PerturbationField = Annotated[SerializeAsAny[PerturbationConfig], BeforeValidator(PERTURBATIONS.parse)]
