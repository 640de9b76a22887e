"""Every field of every config says what it is."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import s4former
from s4former.config import Config

for module in pkgutil.walk_packages(s4former.__path__, "s4former."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)


def configs_below(base: type[Config]) -> Iterator[type[Config]]:
    for config in base.__subclasses__():
        yield config
        yield from configs_below(config)


CONFIGS = {config for config in configs_below(Config) if config.__module__.startswith("s4former.")}


@pytest.mark.parametrize("config", sorted(CONFIGS, key=str), ids=lambda config: config.__name__)
def test_every_field_has_a_docstring(config: type[Config]) -> None:
    silent = [name for name, field in config.model_fields.items() if not field.description]
    assert not silent
    assert config.__doc__
