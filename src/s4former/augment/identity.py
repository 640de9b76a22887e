"""No change at all: a view with nothing but its geometry."""

from __future__ import annotations

from typing import Literal

import numpy as np

from s4former.augment.base import Picture, Policy


class Identity(Policy):
    """Leaves a picture as it is."""

    name: Literal["identity"] = "identity"
    """The policy: this file's name."""

    def __call__(self, picture: Picture, generator: np.random.Generator) -> Picture:
        """Return the picture."""
        return picture
