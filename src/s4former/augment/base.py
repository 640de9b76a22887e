"""What an augmentation policy is, and which views of a crop a method asks for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from jaxtyping import Float
from pydantic import BeforeValidator, Field, SerializeAsAny

from s4former.config.base import Config
from s4former.config.listed import Listed

if TYPE_CHECKING:
    from torch import Tensor as Tensor
else:
    Tensor = Any  # shapes are checked all the same; a policy is read without torch

Pictures = Float[Tensor, "b c h w"]  # any number of channels, in [0, 1]


class Policy(Config, ABC):
    """How a view changes in color and sharpness. Its config lives in the file of its name.

    Chance and pixels are apart: what is drawn for a picture is a few numbers, which travel to a GPU in place
    of views and change whole batches there.
    """

    name: str
    """The policy: the name of its file in ``augment/``, or the import path of a file of your own."""

    @abstractmethod
    def draw(self, generator: np.random.Generator) -> Any:
        """Return what is to happen to one picture, as plain numbers.

        Args:
            generator: The only source of chance, named by seed, view, step and image.
        """

    @abstractmethod
    def apply(self, pictures: Pictures, drawn: Sequence[Any]) -> Pictures:
        """Return the changed pictures.

        Args:
            pictures: Crops, one or many, on any device; they may be written over.
            drawn: What was drawn for each.
        """

    def check(self, channels: int) -> None:
        """Refuse images of a number of channels that the policy is not made for.

        Raises:
            ValueError: With what to set instead.
        """


POLICIES: Listed[Policy] = Listed("s4former.augment", Policy, "augmentation policy")  # type: ignore[type-abstract]
"""All policies by name."""
PolicyField = Annotated[SerializeAsAny[Policy], BeforeValidator(POLICIES.parse)]


def _policy(name: str) -> Policy:
    policy: Policy = POLICIES.parse(name)
    return policy


class LabeledViews(Config):
    """The one view of a labeled crop."""

    labeled: PolicyField = Field(default_factory=lambda: _policy("photometric"))
    """How labeled images change."""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All policies."""
        return (self.labeled,)

    @property
    def unlabeled(self) -> bool:
        """Whether unlabeled images are looked at."""
        return False

    def check(self, channels: int) -> None:
        """Refuse images of a number of channels that a policy is not made for.

        Raises:
            ValueError: With what to set instead.
        """
        for policy in self.policies:
            policy.check(channels)


class Views(LabeledViews):
    """Views of labeled and of unlabeled crops."""

    weak: PolicyField = Field(default_factory=lambda: _policy("identity"))
    """The view of an unlabeled image that is given pseudo-labels."""
    strong: tuple[PolicyField, ...] = Field(default_factory=lambda: (_policy("photometric"),), min_length=1)
    """The views that the student learns these labels on; as many as the method takes."""
    context: float = Field(0.0, ge=0, le=16)
    """Side, in crops, of the window around each crop that pseudo-labels are given in, of the image at its own
    size or ``data.short_side``: a network knows more of what it sees more of. 0: the crop alone."""

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All policies."""
        return (self.labeled, self.weak, *self.strong)

    @property
    def unlabeled(self) -> bool:
        """Whether unlabeled images are looked at."""
        return True
