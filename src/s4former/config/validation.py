"""Making configs of plain data, and saying plainly what is wrong with them and what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from s4former.config.errors import UserError

ConfigT = TypeVar("ConfigT", bound=BaseModel)


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


class Kinds(Protocol):
    """Config classes by name, as `s4former.config.listed.Listed` has them."""

    def names(self) -> list[str]:
        """Return all names that are listed."""

    def config_class(self, name: str) -> type[BaseModel]:
        """Return the class of a name; raises ValueError for an unknown one."""


Variants = Mapping[str, Kinds]
"""Fields whose config class is chosen by their own ``name``. A config class declares its own as the class
variable ``variants``."""


def variants_of(model: type[BaseModel] | None) -> Variants:
    """Return the variants that a config class declares."""
    variants: Variants = getattr(model, "variants", {})
    return variants


_AS_TYPED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "tuple_type": "a list, as in [1, 2]",
    "list_type": "a list, as in [1, 2]",
    "model_type": "fields, as in {name: value}",
}
"""What is to be typed for mistakes that pydantic names by Python's types."""


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


def first_mistake(error: ValidationError) -> str:
    """Return where the first mistake in data that a program wrote stands, and what it is."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'its content'}: {first['msg']}"


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
            wanted = message.removeprefix("Input should be ").partition(", unable to")[0]
            expected.setdefault(path, (given, []))[1].append(_AS_TYPED.get(mistake["type"], wanted))
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
            model = config_in(field.annotation) if field else None
    return ".".join(parts), siblings


def config_in(annotation: Any) -> type[BaseModel] | None:
    """Return the config class in a field's type, as in ``Cage | None`` or ``tuple[ClassEntry, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for kind in get_args(annotation) if (found := config_in(kind))), None)


def _shortened(value: Any, width: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= width else f"{text[:width]}..."
