"""Training methods, one file each. The file's name is the method's name: there is no registry to edit."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from s4former.methods.base import Method, MethodConfig
from s4former.types import Views

__all__ = ["Method", "MethodConfig", "config_class", "method_names", "views_of"]


def method_names() -> list[str]:
    """Return the names of all methods: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


def config_class(name: str) -> type[MethodConfig]:
    """Return the config class in the file of the method called ``name``.

    Raises:
        ValueError: If there is no such method.
    """
    if name not in method_names():
        raise ValueError(f"there is no method {name!r}; the methods are {', '.join(method_names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, MethodConfig) and value.__module__ == module.__name__
    ]
    (config,) = classes
    return config


def views_of(config: MethodConfig) -> Views:
    """Return the views of unlabeled images that the method of a config asks for."""
    module = importlib.import_module(type(config).__module__)
    (method,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Method) and value.__module__ == module.__name__
    ]
    return method.views


def method_config(data: Mapping[str, Any]) -> MethodConfig:
    """Build the config of the method that ``data["name"]`` names."""
    return config_class(str(data.get("name", ""))).model_validate(dict(data))
