"""Whole runs by name.

A file here has a function ``recipe() -> Run``, or ``recipes()`` that returns several such functions by name,
or both; its docstring is the run card. To import such a file is cheap: what needs torch is imported by its
functions, so that the recipes can be listed in an instant.
"""

from __future__ import annotations

import importlib
import pkgutil
import runpy
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from s4former.config.base import config_named
from s4former.config.errors import UserError
from s4former.config.override import override, parse_override
from s4former.config.trust import modules_in
from s4former.config.validation import explain, nearest, validated
from s4former.config.yaml_text import config_file, parse_yaml
from s4former.recipes.derived import Plan, PlannedRun, concerns, follow, loosened

if TYPE_CHECKING:
    from s4former.data.config import DataConfig
    from s4former.engine.run import Run

_NO_RECIPES = ("folder", "derived")

__all__ = [
    "PlannedRun",
    "load_data",
    "load_run",
    "main_settings",
    "plan_run",
    "recipe_card",
    "recipe_families",
    "recipe_names",
]


def recipe_names() -> list[str]:
    """Return the names of all recipes, as in ``demo`` or ``voc.classic_92.s4former``."""
    return [name for family in recipe_families().values() for name in family]


def recipe_families() -> dict[str, dict[str, Callable[[], Run]]]:
    """Return the recipes of each file that has any by their full names, in the order of the files' names."""
    names = (file.name for file in pkgutil.iter_modules(__path__))
    return {
        file: _recipes_in(file)
        for file in sorted(names)
        if not file.startswith("_") and file not in _NO_RECIPES
    }


def recipe_card(file: str) -> str:
    """Return the run card of a file of recipes."""
    return str(importlib.import_module(f"{__name__}.{file}").__doc__).strip()


def _recipes_in(file: str) -> dict[str, Callable[[], Run]]:
    module = importlib.import_module(f"{__name__}.{file}")
    own = {file: module.recipe} if hasattr(module, "recipe") else {}
    variants = module.recipes() if hasattr(module, "recipes") else {}
    return own | {f"{file}.{name}": make for name, make in variants.items()}


def load_run(
    config: str | Path | Run, changes: Iterable[str] | Mapping[str, Any] = ()
) -> tuple[Run, list[str]]:
    """Return a run with overrides applied, and notes about what they implied.

    What a recipe or a ``dataset.yaml`` derives follows overrides, unless it is overridden itself; a note says
    what followed, and what stayed though it was chosen for a value that was overridden.

    Args:
        config: A Python file that defines ``run``, and perhaps ``DERIVED`` (it is executed: open only your
            own), a YAML file of the same fields, a ``dataset.yaml`` (see `s4former.recipes.folder`), the name
            of a recipe, or a run itself.
        changes: ``a.b=c`` texts, one of them alone, or a mapping of dotted paths to values.

    Raises:
        UserError: If there is no such config or it does not make a run.
    """
    planned = plan_run(config, changes)
    return planned.run, [*planned.notes]


def plan_run(
    config: str | Path | Run, changes: Iterable[str] | Mapping[str, Any] = (), resumed: Path | None = None
) -> PlannedRun:
    """Return a run as `load_run` does, with what was read for it.

    Args:
        config: As for `load_run`.
        changes: As for `load_run`.
        resumed: The run folder to go on in. What stands in its ``run.json`` is the run, if any, and overrides
            come on top; the config only has to be the one it was started from.

    Raises:
        UserError: As `load_run` does, or if the folder holds the run of another config.
    """
    changes = _taken(changes)
    by_path = _by_path(changes)  # what cannot be read is refused before anything is imported for the run
    plan = _plan(config, by_path, resumed)
    given = list(by_path)
    run, implied = override(loosened(plan.run, plan.derived, given), changes)
    run, followed = follow(run, plan.run, plan.derived, given)
    # A decision that is overridden is none.
    decided = [
        each.text
        for each in plan.decisions
        if not any(concerns(field, [*given, *followed]) for field in (each.field, each.given))
    ]
    source = plan.source if plan.source and plan.source.layout.config.opens_same(run.data) else None
    named = str(config) if isinstance(config, str | Path) else None
    return PlannedRun(run, [*decided, *implied, *followed.values()], named, source)


def _taken(changes: Iterable[str] | Mapping[str, Any]) -> list[str] | dict[str, Any]:
    """Return overrides as `override` takes them, and as often as it likes."""
    if isinstance(changes, Mapping):
        return dict(changes)
    return [changes] if isinstance(changes, str) else list(changes)


def _by_path(changes: list[str] | dict[str, Any]) -> dict[str, Any]:
    """Return overrides by their paths, to look them up; of several with one path the last."""
    if isinstance(changes, dict):
        return changes
    return {".".join(path): value for path, value in map(parse_override, changes)}


def _plan(config: str | Path | Run, changes: Mapping[str, Any], resumed: Path | None) -> Plan:
    if not isinstance(config, str | Path):
        return Plan(config)
    if resumed is not None and (resumed / "run.json").is_file():
        from s4former.engine.folder import started_run

        run = started_run(resumed, str(config), modules_in(f"{changes}\n{_own_text(Path(config))}"))
        if run:
            return Plan(run)
    return _read(str(config), changes)


def _own_text(config: Path) -> str:
    """Return what a person wrote into a config, if it is there; a ``dataset.yaml`` is none of a run."""
    from s4former.data.dataset_yaml import is_dataset_file

    with suppress(OSError, ValueError, UserError):  # it need not be there any more, nor readable
        text = config.read_text(encoding="utf-8") if config.suffix in (".py", ".yaml", ".yml") else ""
        if config.suffix == ".py" or not is_dataset_file(parse_yaml(text, str(config))):
            return text
    return ""


def _read(config: str, changes: Mapping[str, Any]) -> Plan:
    """Return a run, what was decided for it, and what follows from other fields."""
    path = Path(config)
    if path.suffix in (".yaml", ".yml"):
        data = parse_yaml(config_file(path), config)
        from s4former.data.dataset_yaml import dataset_file, is_dataset_file
        from s4former.engine.run import Run
        from s4former.recipes.folder import dataset_run

        if is_dataset_file(data):
            file = dataset_file(data, path)
            return dataset_run(path, file, _of_data(changes), str(changes.get("device", "auto")))
        if data is None:
            raise UserError(
                f"{config} is empty; expected a data set (`s4former init` writes one) or a run "
                "(`s4former config show demo` prints one)"
            )
        return Plan(validated(Run, data, f"{config} does not make a run"))
    return _fixed(config, path)


def _of_data(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return those overrides of a run that are about its data."""
    return {path: value for path, value in changes.items() if path.startswith("data.")}


def _fixed(config: str, path: Path) -> Plan:
    """Return a run that is written down as such, or a recipe."""
    if path.suffix == ".py":
        return _from_python(path)
    file = config.partition(".")[0]
    families = recipe_families()
    recipe = families.get(file, {}).get(config)
    if recipe:
        module = importlib.import_module(f"{__name__}.{file}")
        return Plan(recipe(), derived=getattr(module, "DERIVED", ()))
    if path.exists():
        raise UserError(
            f"{config} is a folder; `s4former init {config}` writes a dataset.yaml for its images"
            if path.is_dir()
            else f"{config} is neither a .py nor a .yaml file, and no recipe; `s4former recipes` lists those"
        )
    hint = nearest(config, recipe_names(), fallback=families)
    raise UserError(f"there is no recipe {config!r}; {hint} (`s4former recipes` lists all)")


def _from_python(path: Path) -> Plan:
    if not path.is_file():
        raise UserError(f"there is no config {path}")
    from s4former.engine.run import Run

    with _importable(path.parent), _mistakes_of(path):
        names = runpy.run_path(str(path))
    run = names.get("run")
    if not isinstance(run, Run):
        given = "there is none" if run is None else f"it is a {type(run).__name__}"
        raise UserError(f"{path} should define `run`, an s4former.Run; {given}")
    return Plan(run, derived=names.get("DERIVED", ()))


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
        model = config_named(error.title) if isinstance(error, ValidationError) else None
        if isinstance(error, ValidationError) and model:
            mistakes = [f"  {line}" for line in explain(error, model, {})]
            raise UserError("\n".join([f"{where}: this {error.title} does not fit:", *mistakes])) from None
        raise UserError(f"{where}: {type(error).__name__}: {error}") from error


def load_data(config: str, changes: Iterable[str] = ()) -> DataConfig:
    """Return which data a config is about; of a ``dataset.yaml`` no image is opened, so all may be bad.

    Args:
        config: As for `load_run`.
        changes: As for `load_run`; of a ``dataset.yaml`` those of ``data`` are looked at.

    Raises:
        UserError: If there is no such config or it does not make a run.
        DataError: If it is a ``dataset.yaml`` that does not make sense.
    """
    path = Path(config)
    if path.suffix in (".yaml", ".yml"):
        content = parse_yaml(config_file(path), config)
        from s4former.data.dataset_yaml import dataset_file, is_dataset_file
        from s4former.recipes.folder import data_config

        if is_dataset_file(content):
            return data_config(path, dataset_file(content, path), _of_data(_by_path(_taken(changes))))
    return load_run(config, changes)[0].data


def main_settings(config: str, changes: Iterable[str] = ()) -> tuple[Run, list[str]]:
    """Return a run and its main settings, ``field=value: reason`` each.

    Raises:
        UserError: As `load_run` does.
        DataError: As `load_run` does.
    """
    run, notes = load_run(config, changes)
    decided = [note for note in notes if "=" in note.partition(": ")[0]]
    own = {
        "data.crop_size": run.data.crop_size,
        "data.labeled_batch_size": run.data.labeled_batch_size,
        "data.unlabeled_batch_size": run.data.unlabeled_batch_size,
        "steps": run.steps,
        "method": run.method.name,
        "method.confidence_threshold": getattr(run.method, "confidence_threshold", None),
    }
    given = [f"{path}={value}: as {config} has it" for path, value in own.items() if value is not None]
    return run, decided or given
