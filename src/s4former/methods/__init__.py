"""Training methods, one file each. The file's name is the method's name: there is no registry to edit."""

from __future__ import annotations

from s4former.config.listed import Listed
from s4former.methods.base import Method, MethodConfig, Targets

__all__ = ["METHODS", "Method", "MethodConfig", "Targets", "config_class", "method_names"]

METHODS: Listed[MethodConfig] = Listed("s4former.methods", MethodConfig, "method")  # type: ignore[type-abstract]
"""All methods by name."""
method_names = METHODS.names
config_class = METHODS.config_class
