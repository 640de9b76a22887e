"""What the front of a room offers, tests import from there, so that files inside of rooms can move."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import s4former

TESTS = Path(__file__).resolve().parents[1]
ROOMS = sorted(path.parent.name for path in Path(s4former.__file__).parent.glob("*/__init__.py"))


def imports(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def test_fronts_have_what_they_offer() -> None:
    for room in ROOMS:
        front = importlib.import_module(f"s4former.{room}")
        for name in getattr(front, "__all__", ()):
            assert getattr(front, name) is not None
            assert not Path(str(front.__file__)).with_name(f"{name}.py").exists(), (
                f"{name} is a file of {room}"
            )


def test_tests_import_from_the_fronts() -> None:
    offered = {room: {*getattr(importlib.import_module(f"s4former.{room}"), "__all__", ())} for room in ROOMS}
    for path in TESTS.rglob("*.py"):
        for module, name in imports(path):
            package, _, rest = module.partition(".")
            room, _, file = rest.partition(".")
            if package == "s4former" and file and name in offered.get(room, ()):
                front = getattr(importlib.import_module(f"s4former.{room}"), name)
                same = front is getattr(importlib.import_module(module), name)
                assert not same, f"{path}: write `from s4former.{room} import {name}`"
