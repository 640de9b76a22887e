"""Whole runs by name: each file here has a function ``recipe() -> Run``; its docstring is the run card."""

from __future__ import annotations

import importlib
import pkgutil
import runpy
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from s4former.config.errors import UserError
from s4former.config.override import config_file, nearest, override, parse_yaml, validated
from s4former.engine.run import Run

__all__ = ["load_run", "recipe_names"]


def recipe_names() -> list[str]:
    """Return the names of all recipes: the files of this folder, dotted where they lie in a folder below."""
    found = pkgutil.walk_packages(__path__, prefix=f"{__name__}.")
    names = [module.name.removeprefix(f"{__name__}.") for module in found if not module.ispkg]
    return sorted(name for name in names if not any(part.startswith("_") for part in name.split(".")))


def load_run(
    config: str | Path | Run, changes: Iterable[str] | Mapping[str, Any] = ()
) -> tuple[Run, list[str]]:
    """Return a run with overrides applied, and notes about what they implied.

    Args:
        config: A Python file that defines ``run`` (it is executed: open only your own), a YAML file of the
            same fields, the name of a recipe, or a run itself.
        changes: ``a.b=c`` texts or a mapping of dotted paths to values.

    Raises:
        UserError: If there is no such config or it does not make a run.
    """
    run = config if isinstance(config, Run) else _read(str(config))
    return override(run, changes)


def _read(config: str) -> Run:
    path = Path(config)
    if path.suffix == ".py":
        return _from_python(path)
    if path.suffix in (".yaml", ".yml"):
        data = parse_yaml(config_file(path), config)
        return validated(Run, {} if data is None else data, f"{config} does not make a run")
    if config in recipe_names():
        run: Run = importlib.import_module(f"{__name__}.{config}").recipe()
        return run
    if path.exists():
        raise UserError(
            f"{config} is neither a .py nor a .yaml file, and no recipe; the recipes are {_listed()}"
        )
    raise UserError(f"there is no recipe {config!r}; {nearest(config, recipe_names())}")


def _listed() -> str:
    return ", ".join(recipe_names())


def _from_python(path: Path) -> Run:
    if not path.is_file():
        raise UserError(f"there is no config {path}")
    with _importable(path.parent), _mistakes_of(path):
        names = runpy.run_path(str(path))
    run = names.get("run")
    if not isinstance(run, Run):
        given = "there is none" if run is None else f"it is a {type(run).__name__}"
        raise UserError(f"{path} should define `run`, an s4former.Run; {given}")
    return run


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a config import the files beside it, as a script may."""
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))


@contextmanager
def _mistakes_of(path: Path) -> Iterator[None]:
    """Turn whatever a config raises into one message with its line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # the file is the user's code: anything may come out of it
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        where = f"{path}:{lines[-1]}" if lines else str(path)
        raise UserError(f"{where}: {type(error).__name__}: {error}") from error
