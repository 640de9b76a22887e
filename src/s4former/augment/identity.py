"""No change at all: a view with nothing but its geometry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from s4former.augment.base import Pictures, Policy


class Identity(Policy):
    """Leaves a picture as it is."""

    name: Literal["identity"] = "identity"
    """The policy: this file's name."""

    def draw(self, generator: np.random.Generator) -> None:
        """Draw nothing."""

    def apply(self, pictures: Pictures, drawn: Sequence[None]) -> Pictures:
        """Return the pictures."""
        return pictures
