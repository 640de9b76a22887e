"""Changing nested configs with ``a.b=c``, and saying plainly what is wrong with a config."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from s4former.config.errors import UserError

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class Kinds(Protocol):
    """Config classes by name, as `s4former.config.listed.Listed` has them."""

    def names(self) -> list[str]:
        """Return all names that are listed."""

    def config_class(self, name: str) -> type[BaseModel]:
        """Return the class of a name; raises ValueError for an unknown one."""


Variants = Mapping[str, Kinds]
"""Fields whose config class is chosen by their own ``name``. A config class declares its own as the class
variable ``variants``."""
Presets = Mapping[str, Callable[[str], BaseModel]]
"""Fields that can be replaced whole by a short name: field to (name to config), which raises ValueError for
an unknown name. A config class declares its own as the class variable ``presets``."""


_FEW = 3


class _Loader(yaml.SafeLoader):
    """YAML with the core schema of 1.2: PyYAML's own, 1.1, takes ``1_16`` for 116 and ``1e-4`` for a word."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - as the base class wants it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is given twice: YAML forbids it, but the base class keeps the last one."""
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen and key.value != "<<":
                problem = f"{key.value} is given twice"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


def parse_yaml(text: str, where: str) -> Any:
    """Return the plain data in a YAML text.

    Raises:
        UserError: If it is not YAML; the message starts with ``where``.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not readable as YAML: {error}") from None


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


def nearest(word: str, known: Iterable[str], fallback: Iterable[str] | None = None) -> str:
    """Return a hint naming the closest known words, or all of ``fallback`` (by default ``known``) if none is.

    Both the whole word and its last dotted part are compared, so ``crop`` finds ``data.crop_size``.
    """
    names = sorted(set(known))
    by_tail: dict[str, list[str]] = {}
    for name in names:
        by_tail.setdefault(name.rpartition(".")[2], []).append(name)
    tail = word.rpartition(".")[2]
    close = difflib.get_close_matches(word, names, n=2, cutoff=0.75)
    close += [
        name for match in difflib.get_close_matches(tail, by_tail, n=2, cutoff=0.6) for name in by_tail[match]
    ]
    close += [name for name in names if tail and name.rpartition(".")[2].startswith(tail)]
    if close:
        return f"did you mean {' or '.join(dict.fromkeys(close[:3]))}?"
    rest = names if fallback is None else sorted(fallback)
    return f"there are {', '.join(rest)}" if rest else "there is nothing to choose from"


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


def variants_of(model: type[BaseModel] | None) -> Variants:
    """Return the variants that a config class declares."""
    variants: Variants = getattr(model, "variants", {})
    return variants


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
    return one.annotation == other.annotation or _config_in(other.annotation) is not None


def _fitting(value: Any, field: FieldInfo) -> Any:
    """Leave out what the config class of a field, if it is one, does not have."""
    model = _config_in(field.annotation)
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
    place, key = path[:-1], path[-1]
    if not place or not _is_variant(config, place):
        return ""
    owner: Any = config
    for each in place[:-1]:
        owner = getattr(owner, each)
    kinds, own, field = variants_of(type(owner))[place[-1]], getattr(owner, place[-1]).name, ".".join(place)
    having = [name for name in kinds.names() if key in kinds.config_class(name).model_fields]
    if not having:
        return ""
    listed = " and ".join(filter(None, [", ".join(having[:-1]), having[-1]]))
    return (
        f"{field}={own} has no field {key}: it is one of {listed}; drop {'.'.join(path)}, or type "
        f"{field}={having[-1]}"
    )


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


def validated(model: type[ConfigT], data: Any, where: str) -> ConfigT:
    """Return ``data`` as a config.

    Raises:
        UserError: If it does not fit: the field, what was given and what was expected, one line each.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        mistakes = [f"  {line}" for line in explain(error, model, data)]
        raise UserError("\n".join([f"{where}:", *mistakes])) from None


def explain(error: ValidationError, model: type[BaseModel], data: Any) -> list[str]:
    """Return one line per wrong field of a config: its dotted path, what was given, and what was expected."""
    lines: list[str] = []
    expected: dict[str, tuple[str, list[str]]] = {}  # a field may have several types, each with its complaint
    for mistake in error.errors(include_url=False):
        path, siblings = _locate(model, data, mistake["loc"])
        message = mistake["msg"]
        if mistake["type"] == "extra_forbidden":
            lines.append(f"{path}: unknown field; {nearest(str(mistake['loc'][-1]), siblings)}")
        elif mistake["type"] == "missing":
            lines.append(f"{path}: missing, expected a value")
        elif mistake["type"] == "value_error":  # a sentence of our own
            lines.append(f"{path}: {message.removeprefix('Value error, ')}".removeprefix(": "))
        else:
            given = _shortened(mistake["input"])
            expected.setdefault(path, (given, []))[1].append(
                message.removeprefix("Input should be ").partition(", unable to")[0]
            )
    return lines + [
        f"{path}: got {given}; expected {', or '.join(messages)}".removeprefix(": ")
        for path, (given, messages) in expected.items()
    ]


def _locate(model: type[BaseModel] | None, data: Any, loc: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """Return the dotted path of a location, without the names of union members, and the fields at its end."""
    parts: list[str] = []
    siblings: list[str] = []
    for place, part in enumerate(loc):
        if model is None and isinstance(part, str):
            continue  # the member of a union that was tried
        parts.append(str(part))
        if model is None or isinstance(part, int):  # a place in a list of configs
            continue
        siblings = list(model.model_fields)
        if place == len(loc) - 1:
            break
        field = model.model_fields.get(str(part))
        data = data.get(part) if isinstance(data, Mapping) else None
        chosen = variants_of(model).get(str(part))
        if chosen and isinstance(data, Mapping):
            model = chosen.config_class(str(data.get("name")))
        else:
            model = _config_in(field.annotation) if field else None
    return ".".join(parts), siblings


def _config_in(annotation: Any) -> type[BaseModel] | None:
    """Return the config class in a field's type, as in ``Cage | None`` or ``tuple[ClassEntry, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for kind in get_args(annotation) if (found := _config_in(kind))), None)


def _shortened(value: Any, width: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= width else f"{text[:width]}..."


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


def config_file(path: Path) -> str:
    """Return the text of a config file.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"cannot read the config {path}: there is no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"cannot read the config {path}: it is not UTF-8; save it in that encoding") from None
    except OSError as error:
        raise UserError(f"cannot read the config {path}: {error}") from None
