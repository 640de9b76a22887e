"""UniMatch as data; its module is in `methods/unimatch.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from s4former.methods.configs.base import MethodConfig
from s4former.methods.configs.parts import TwoStrongViewsConfig


class UniMatchConfig(TwoStrongViewsConfig, MethodConfig):
    """Two strong views, and the weak view with dropped features; the defaults are the published ones."""

    name: Literal["unimatch"] = "unimatch"
    """The method: this file's name."""

    feature_share: float = Field(0.5, ge=0, le=1)
    """Share of the weak view with dropped features in the unlabeled loss; the strong views share the rest."""
    feature_dropout: float = Field(0.5, ge=0, lt=1)
    """Probability that a channel of the weak view's features is dropped; the others grow by as much."""
