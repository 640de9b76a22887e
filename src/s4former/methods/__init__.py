"""Training methods, one file each. The file's name is the method's name: there is no registry to edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s4former.config.fronts import lazily
from s4former.config.listed import Listed
from s4former.methods.configs.base import MethodConfig

if TYPE_CHECKING:
    from s4former.methods.base import Method, Targets
    from s4former.methods.configs.s4former import S4FormerConfig
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = ["METHODS", "Method", "MethodConfig", "S4FormerConfig", "Targets", "config_class", "method_names"]

METHODS: Listed[MethodConfig] = Listed("s4former.methods", MethodConfig, "method")
"""All methods by name."""
method_names = METHODS.names
config_class = METHODS.config_class
