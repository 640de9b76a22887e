"""The base of every config class: frozen, typed, and strict about unknown keys."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Config(BaseModel):
    """A piece of what a run is, as data. Unknown keys are errors and values are checked when it is built.

    A field's docstring stands below the field and shows up in the JSON schema.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` and ``false`` elsewhere than in on/off fields: Python takes them for 1 and 0."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and bool not in (annotation, *typing.get_args(annotation)):
            raise ValueError(f"got {str(value).lower()}, but this is no on/off field")
        return value


def config_named(name: str, base: type[Config] = Config) -> type[Config] | None:
    """Return the config class of a name among those that have been imported."""
    for config in base.__subclasses__():
        found = config if config.__name__ == name else config_named(name, config)
        if found:
            return found
    return None
