"""Config classes that are found by listing a package: one file each, called as the thing is called."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from s4former.config.base import Config
from s4former.config.trust import require_trusted

ConfigT = TypeVar("ConfigT", bound=Config)


@dataclass(frozen=True)
class Listed(Generic[ConfigT]):
    """The configs of one kind, as all methods: a new one is a new file, and no list is edited.

    A file outside of the package is named by its import path, as in ``my_project.my_method``; who may name
    one is in `s4former.config.trust`. A config may
    stand in the file of the thing itself or, to be read without what that file imports, in one of the same
    name in the package's folder ``configs``.

    Attributes:
        package: The package whose files are listed, without sub-packages, ``base`` and ``_private`` files.
        base: What the configs derive from.
        kind: What one of them is called in messages.
    """

    package: str
    base: type[ConfigT]
    kind: str

    def names(self) -> list[str]:
        """Return the names of all files of the package."""
        path = importlib.import_module(self.package).__path__
        found = [module.name for module in pkgutil.iter_modules(path) if not module.ispkg]
        return sorted(name for name in found if name != "base" and not name.startswith("_"))

    def config_class(self, name: str) -> type[ConfigT]:
        """Return the config class in the file of a name.

        Raises:
            ValueError: If there is no such file, or it does not define exactly one config of this kind.
            UserError: If it is code of others that only a file names.
        """
        if "." not in name and name not in self.names():
            raise ValueError(
                f"there is no {self.kind} {name!r}; there are {', '.join(self.names())}, and one of your own "
                "is named by its import path, as in my_project.my_file"
            )
        module = self._module(name)
        named = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, self.base)
            and value.__module__ == module.__name__
            and "name" in value.model_fields
        ]
        found = [value for value in named if not inspect.isabstract(value)]
        if len(found) != 1:
            lacking = [
                f"; {value.__name__} lacks {', '.join(sorted(value.__abstractmethods__))}"
                for value in named
                if value not in found
            ]
            raise ValueError(
                f"{name} defines {len(found)} classes derived from {self.base.__name__} with a field "
                f"'name'; a {self.kind} is a file with exactly one{''.join(lacking)}"
            )
        return found[0]

    def about(self, name: str) -> str:
        """Return what a file says of itself in its docstring, without importing what it imports."""
        spec = importlib.util.find_spec(name if "." in name else f"{self.package}.{name}")
        text = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        return ast.get_docstring(ast.parse(text)) or ""

    def _module(self, name: str) -> ModuleType:
        if "." not in name:
            apart = f"{self.package}.configs"
            here = importlib.util.find_spec(apart) and importlib.util.find_spec(f"{apart}.{name}")
            return importlib.import_module(here.name if here else f"{self.package}.{name}")
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"{name!r} is no import path; expected one as in my_project.my_file")
        require_trusted(name, self.kind)
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and not f"{name}.".startswith(f"{error.name}."):
                raise  # something that the file itself imports
            raise ValueError(
                f"the {self.kind} {name!r} cannot be imported: there is no module {error.name!r}; put its "
                "folder on PYTHONPATH"
            ) from None

    def parse(self, value: Any) -> Any:
        """Turn a bare name, or a mapping with a ``name``, into the config that it names."""
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping):
            return value
        return self.config_class(str(value.get("name", ""))).model_validate(dict(value))
