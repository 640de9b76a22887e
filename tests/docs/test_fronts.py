"""What the front of a room offers, tests import from there, so that files inside of rooms can move."""

from __future__ import annotations

import ast
import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import s4former

TESTS = Path(__file__).resolve().parents[1]
ROOMS = sorted(path.parent.name for path in Path(s4former.__file__).parent.glob("*/__init__.py"))
ENTRANCES = ("cli", "compat", "recipes")
"""Rooms that nobody but a command line enters."""


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


def front_of(module: str, name: str) -> str | None:
    """The outermost package above a file that offers a name of it, if one does."""
    parts = module.split(".")
    for end in range(2, len(parts)):
        package = importlib.import_module(".".join(parts[:end]))
        if name in getattr(package, "__all__", ()):
            same = getattr(package, name) is getattr(importlib.import_module(module), name)
            return package.__name__ if same else None
    return None


def test_tests_import_from_the_fronts() -> None:
    for path in TESTS.rglob("*.py"):
        for module, name in imports(path):
            if module.startswith("s4former.") and (front := front_of(module, name)):
                raise AssertionError(f"{path}: write `from {front} import {name}`")


def test_fronts_offer_what_other_rooms_take() -> None:
    """A name that two other rooms' files and a test need is a word of its room, not a secret of one file."""
    source = Path(s4former.__file__).parent
    takers: Counter[tuple[str, str]] = Counter()
    for path in source.rglob("*.py"):
        room = path.relative_to(source).parts[0]
        takers.update({taken for taken in imports(path) if taken[0].split(".")[1:2] != [room]})
    for path in TESTS.rglob("*.py"):
        for module, name in imports(path):
            package, _, rest = module.partition(".")
            room, _, file = rest.partition(".")
            if package != "s4former" or not file or room in ENTRANCES or takers[module, name] < 2:
                continue
            folder = source / room
            is_front = (folder / file.replace(".", "/")).is_dir()
            named_like_a_file = (folder / name).is_dir() or (folder / f"{name}.py").is_file()
            assert is_front or named_like_a_file, f"{path}: s4former.{room} should offer {name} of {module}"
