"""Fronts of rooms: names that are imported from their files when they are asked for, not before."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


def lazily(package: str, front: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package that imports what its front shows to type checkers.

    So that no command waits for torch unless it computes. The names are those imported below the front's
    ``if TYPE_CHECKING``. A name must not be that of a file of the package.

    Args:
        package: The package, ``__name__``.
        front: Its ``__file__``.
    """
    homes = {
        name.name: line.module
        for block in ast.parse(Path(front).read_text()).body
        if isinstance(block, ast.If)
        for line in block.body
        if isinstance(line, ast.ImportFrom) and line.module
        for name in line.names
    }

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return __getattr__
