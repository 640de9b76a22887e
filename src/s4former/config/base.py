"""The base of every config class: frozen, typed, and strict about unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


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


def config_named(name: str, base: type[Config] = Config) -> type[Config] | None:
    """Return the config class of a name among those that have been imported."""
    for config in base.__subclasses__():
        found = config if config.__name__ == name else config_named(name, config)
        if found:
            return found
    return None
