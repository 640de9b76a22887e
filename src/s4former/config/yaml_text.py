"""Reading YAML: the core schema of 1.2, and no key twice."""

from __future__ import annotations

import difflib
import math
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from s4former.config.errors import UserError
from s4former.config.regular import read_text

_LARGEST = 1_000_000


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
        UserError: If it is not YAML, or its aliases would fill the memory; the message starts with ``where``.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > _LARGEST:
            raise UserError(
                f"{where}: its aliases (as in *name) stand for more than {_LARGEST:,} "
                "values; write the values themselves"
            )
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:  # the latter: numbers of thousands of digits
        raise UserError(f"{where}: not readable as YAML: {error}") from None
    except RecursionError:
        raise UserError(f"{where}: not readable as YAML: its brackets are nested too deeply") from None
    finally:
        if loader is not None:
            loader.dispose()


def _size(node: yaml.Node, known: dict[int, float]) -> float:
    """Return how many values a node stands for, aliases included; infinite if it stands in itself."""
    if id(node) not in known:
        known[id(node)] = math.inf
        inner: list[Any] = list(node.value)
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in inner for part in pair]
        known[id(node)] = 1 + sum(_size(each, known) for each in inner if isinstance(each, yaml.Node))
    return known[id(node)]


def config_file(path: Path) -> str:
    """Return the text of a config file.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        return read_text(path)
    except FileNotFoundError:
        raise UserError(f"cannot read the config {path}: there is no such file; {_instead(path)}") from None
    except UnicodeDecodeError:
        raise UserError(f"cannot read the config {path}: it is not UTF-8; save it in that encoding") from None
    except OSError as error:
        raise UserError(f"cannot read the config {path}: {error}") from None


def _instead(path: Path) -> str:
    """Return what may have been meant: a file beside it, or one that is yet to be written."""
    beside: list[str] = []
    with suppress(OSError):  # no such folder, or one that may not be listed
        beside = [each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml")]
    if close := difflib.get_close_matches(path.name, beside, cutoff=0.8):
        return f"did you mean {' or '.join(close)}?"
    listed = f"beside it: {', '.join(sorted(beside)[:5])}; " if beside else ""
    return f"{listed}`s4former init IMAGES` writes a dataset.yaml, `s4former recipes` lists what needs none"
