"""What each field of a config is, read off its class: values that it takes, default, docstring."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from s4former.config.listed import Listed
from s4former.config.validation import config_in

_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "text", type(None): "null"}
_LIMITS = {"ge": " from {}", "gt": " above {}", "le": " to {}", "lt": " below {}"}
_LARGE = 2**31
"""Limits beyond say nothing to a person."""


@dataclass(frozen=True)
class FieldFacts:
    """A field.

    Attributes:
        path: Its dotted path; an entry of a list is ``[]``.
        kind: Which values it takes, in words.
        default: What it is unless it is set, as an override has it; empty for a group of fields.
        about: Its docstring, on one line.
        of: The variants, as methods, that have it so; none: it has none.
    """

    path: str
    kind: str
    default: str
    about: str
    of: tuple[str, ...] = ()


def fields_of(model: type[BaseModel], wanted: str = "") -> list[FieldFacts]:
    """Return all fields of a config class: nested ones too, and those of all variants that are listed.

    Variants that agree about a field share an entry, and a list of variants that is met again is not told
    again: ``method.views.weak`` takes what ``method.views.labeled`` does.

    Args:
        model: The class.
        wanted: Look for this path, and what is below it, alone: nothing is imported for others; none: all.
    """
    merged: dict[FieldFacts, dict[str, None]] = {}
    for fact in _walk(model, "", (), wanted, {}):
        merged.setdefault(replace(fact, of=()), {}).update(dict.fromkeys(fact.of))
    places = {fact.path: place for place, fact in reversed([*enumerate(merged)])}
    return [replace(fact, of=tuple(merged[fact])) for fact in sorted(merged, key=lambda f: places[f.path])]


def _walk(
    model: type[BaseModel], prefix: str, of: tuple[str, ...], wanted: str, told: dict[str, str]
) -> Iterator[FieldFacts]:
    for name, field in model.model_fields.items():
        path, inner = f"{prefix}{name}", config_in(field.annotation)
        if wanted and not _related(path, wanted):
            continue
        listed = next(_listed_in([*field.metadata, field.annotation]), None)
        default = "" if inner and not listed else _default(field)
        about = " ".join((field.description or "").replace("``", "`").split())
        yield FieldFacts(path, _kind(field.annotation, field.metadata), default, about, of)
        below = f"{path}[]." if "list of" in _kind(field.annotation) else f"{path}."
        if listed and told.setdefault(listed.package, below) == below:
            for variant in listed.names():
                own = _walk(listed.config_class(variant), below, (variant,), wanted, told)
                yield from (fact for fact in own if fact.path != f"{below}name")
        elif inner and not listed:
            yield from _walk(inner, below, of, wanted, told)


def _related(path: str, wanted: str) -> bool:
    """Whether a path leads to another one, or from it."""
    path, wanted = path.replace("[]", "") + ".", wanted.replace("[]", "") + "."
    return path.startswith(wanted) or wanted.startswith(path)


def _listed_in(items: Sequence[Any]) -> Iterator[Listed[Any]]:
    """Yield what a value is chosen from by its name, as methods are, of metadata and annotations."""
    for item in items:
        owner = getattr(getattr(item, "func", None), "__self__", None)  # of a BeforeValidator(LISTED.parse)
        if isinstance(owner, Listed):
            yield owner
        yield from _listed_in([*getattr(item, "__metadata__", ()), *typing.get_args(item)])


def _kind(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return in words which values a field takes."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(arguments[0], [*metadata, *annotation.__metadata__])
    if origin is tuple:
        each = dict.fromkeys(_kind(argument) for argument in arguments if argument is not ...)
        return f"list of {'' if ... in arguments else f'{len(arguments)} times '}{', '.join(each)}"
    if listed := next(_listed_in(metadata), None):
        return f"one of {', '.join(listed.names())}, or an import path"
    if origin is Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(each, metadata) for each in arguments)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "group of fields"
    limits = _limits(metadata) if annotation in (int, float) else ""
    return f"{_WORDS.get(annotation, annotation)}{limits}"


def _limits(metadata: Sequence[Any]) -> str:
    found = ((text, getattr(item, key, None)) for item in metadata for key, text in _LIMITS.items())
    return "".join(text.format(value) for text, value in found if value is not None and value < _LARGE)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "has to be given"
    value = _plain(field.get_default(call_default_factory=True))
    return value if isinstance(value, str) and value else json.dumps(value)


def _plain(value: Any) -> Any:
    """Return a value with configs by their names."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return getattr(value, "name", value)
