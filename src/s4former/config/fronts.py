"""Fronts of rooms: names that are imported from their files when they are asked for, not before."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, files: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose names lie in its files.

    So that no command waits for torch unless it computes. Type checkers see the imports that stand beside it
    below ``if TYPE_CHECKING``. A name must not be that of a file of the package.

    Args:
        package: The package, ``__name__``.
        files: Names, with spaces between them, by the file that defines them.
    """
    homes = {name: file for file, names in files.items() for name in names.split()}

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return __getattr__
