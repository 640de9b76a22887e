"""Changing nested configs with ``a.b=c``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from s4former.config.errors import UserError
from s4former.config.validation import ConfigT, config_in, nearest, validated, variants_of
from s4former.config.yaml_text import parse_yaml

Presets = Mapping[str, Callable[[str], BaseModel]]
"""Fields that can be replaced whole by a short name: field to (name to config), which raises ValueError for
an unknown name. A config class declares its own as the class variable ``presets``."""
_FEW = 3


def parse_override(text: str) -> tuple[tuple[str, ...], Any]:
    """Split ``a.b=c`` into its path and its value, read as a YAML scalar or list (``null`` is none).

    Raises:
        UserError: If there is no ``=``, a part of the path is empty, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        raise UserError(
            f"cannot read {text!r} as an override; expected field=value, as in steps=100 or data.root=DIR"
        )
    if value.startswith("~/"):  # shells leave it alone behind a "="
        value = os.path.expanduser(value)
    return path, parse_yaml(value, text)


def field_paths(config: BaseModel, prefix: str = "") -> list[str]:
    """Return the dotted path of every field of a config, nested ones included."""
    paths: list[str] = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        paths += (
            field_paths(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else [f"{prefix}{name}"]
        )
    return paths


def override(config: ConfigT, changes: Iterable[str] | Mapping[str, Any]) -> tuple[ConfigT, list[str]]:
    """Return a changed copy of a config, and notes about what the changes implied.

    A change of the name of a variant (see `Variants`) comes first, whatever the order: settings (values other
    than the old class's defaults) that the new class has too are kept, the others are dropped and noted.
    ``method=supervised`` is short for ``method.name=supervised``. Before that comes a preset (see `Presets`),
    as in ``model=segformer_b0``: it replaces the whole field.

    Args:
        config: The config to start from.
        changes: ``a.b=c`` texts, or a mapping of dotted paths to values; later ones win.

    Raises:
        UserError: For an unknown field (naming the nearest right one) or a value that does not fit.
    """
    if isinstance(changes, Mapping):
        pairs = [(tuple(str(key).split(".")), value) for key, value in changes.items()]
    else:
        pairs = [parse_override(text) for text in changes]
    presets: Presets = getattr(type(config), "presets", {})
    notes: list[str] = []
    rest = []
    for path, value in pairs:
        if len(path) == 1 and path[0] in presets and isinstance(value, str):
            config = _replace(config, path[0], value, presets)
        else:
            rest.append((path, value))
    for path, value in rest:
        field, name = (path[:-1], value) if path[-1] == "name" else (path, _name_in(value))
        if name is not None and _is_variant(config, field):
            config, left_out = _switch(config, field, str(name))
            notes += left_out
    data = config.model_dump()
    for path, value in rest:
        if not (isinstance(value, str) and _is_variant(config, path)):
            _assign(config, data, path, value)
    return validated(type(config), data, "these overrides do not fit"), notes


def _name_in(value: Any) -> Any:
    return value.get("name") if isinstance(value, Mapping) else value if isinstance(value, str) else None


def _is_variant(config: BaseModel, path: tuple[str, ...]) -> bool:
    """Whether a path leads to a field whose class follows its name."""
    node: Any = config
    for key in path[:-1]:
        node = getattr(node, key, None)
    return bool(path) and isinstance(node, BaseModel) and path[-1] in variants_of(type(node))


def _switch(config: ConfigT, path: tuple[str, ...], name: str) -> tuple[ConfigT, list[str]]:
    data = config.model_dump()
    owner: Any = config
    inner = data
    for key in path[:-1]:
        owner, inner = getattr(owner, key), inner[key]
    old = inner[path[-1]]
    if old["name"] == name:
        return config, []
    field = ".".join(path)
    try:
        known = variants_of(type(owner))[path[-1]].config_class(name).model_fields
    except ValueError as error:
        raise UserError(f"{field}.name={name}: {error}") from None
    before: BaseModel = getattr(owner, path[-1])
    own = {key: value for key, value in old.items() if key in _own_settings(before) and key != "name"}
    kept = {
        key: _fitting(value, known[key])
        for key, value in own.items()
        if key in known and _alike(type(before).model_fields[key], known[key])
    }
    inner[path[-1]] = kept | {"name": name}
    left_out = [key for key in own if key not in kept]
    count = len(left_out)
    what = ", ".join(left_out) if count <= _FEW else f"use for {count} of the settings of {old['name']}"
    notes = [f"{field}.name={name} has no {what}: dropped"] if left_out else []
    return validated(type(config), data, f"{field}.name={name} does not fit"), notes


def _own_settings(config: BaseModel) -> set[str]:
    """Return the fields of a config that differ from their defaults."""
    fields = type(config).model_fields
    return {
        key
        for key, field in fields.items()
        if getattr(config, key) != field.get_default(call_default_factory=True)
    }


def _alike(one: FieldInfo, other: FieldInfo) -> bool:
    """Whether values of one field are those of the other, or configs that share fields."""
    return one.annotation == other.annotation or config_in(other.annotation) is not None


def _fitting(value: Any, field: FieldInfo) -> Any:
    """Leave out what the config class of a field, if it is one, does not have."""
    model = config_in(field.annotation)
    if model is None or not isinstance(value, Mapping):
        return value
    return {key: value[key] for key in value if key in model.model_fields}


def _replace(config: ConfigT, field: str, name: str, presets: Presets) -> ConfigT:
    try:
        chosen = presets[field](name)
    except ValueError as error:
        raise UserError(f"{field}={name}: {error}") from None
    data = config.model_dump() | {field: chosen.model_dump()}
    return validated(type(config), data, f"{field}={name} does not fit")


def _owners(config: BaseModel, path: tuple[str, ...]) -> str:
    """Return whose field a path is, if it is one of another variant than the config has; else nothing."""
    for cut in range(len(path) - 1, 0, -1):
        place, key = path[:cut], path[cut:]
        if not _is_variant(config, place):
            continue
        owner: Any = config
        for each in place[:-1]:
            owner = getattr(owner, each)
        kinds = variants_of(type(owner))[place[-1]]
        having = [name for name in kinds.names() if _has(kinds.config_class(name), key)]
        if having:
            listed = " and ".join(filter(None, [", ".join(having[:-1]), having[-1]]))
            own, field = getattr(owner, place[-1]).name, ".".join(place)
            return (
                f"{field}={own} has no field {'.'.join(key)}: it is one of {listed}; drop "
                f"{'.'.join(path)}, or type {field}={having[-1]}"
            )
    return ""


def _has(kind: type[BaseModel], path: tuple[str, ...]) -> bool:
    """Return whether configs of a kind have a field, or one inside of another."""
    field = kind.model_fields.get(path[0])
    if field is None or len(path) == 1:
        return field is not None
    inner = config_in(field.annotation)
    return inner is not None and _has(inner, path[1:])


def _assign(config: BaseModel, data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set one value in the dumped tree; the config beside it tells known fields from free-form dicts."""
    node: Any = config
    for depth, key in enumerate(path):
        if isinstance(node, BaseModel) and key not in type(node).model_fields:
            beside = [".".join([*path[:depth], name]) for name in type(node).model_fields]
            owners = _owners(config, path[: depth + 1])
            if owners:
                raise UserError(owners)
            hint = nearest(".".join(path), [*beside, *field_paths(config)], fallback=beside)
            raise UserError(f"unknown field {'.'.join(path)}; {hint}")
        if not isinstance(node, BaseModel | Mapping | None):
            raise UserError(
                f"unknown field {'.'.join(path)}: {'.'.join(path[:depth])} is a value, it has no fields"
            )
        if depth == len(path) - 1:
            break
        node = getattr(node, key) if isinstance(node, BaseModel) else (node or {}).get(key)
        data[key] = data = data[key] if isinstance(data.get(key), dict) else {}
    if isinstance(value, Mapping) and isinstance(data.get(path[-1]), dict):
        data[path[-1]] = data[path[-1]] | value
    else:
        data[path[-1]] = value


def changed_fields(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Return every dotted path at which two dumped configs differ, with both values."""
    changes: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            changes |= changed_fields(before, after, f"{prefix}{key}.")
        elif before != after:
            changes[f"{prefix}{key}"] = (before, after)
    return changes
