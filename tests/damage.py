"""Damage: bytes and trees of values with something wrong anywhere in them."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

ODD = (
    None,
    True,
    -1,
    2.5,
    1e308,
    float("nan"),
    10**400,
    "",
    "x",
    "9" * 5000,
    "\ud800",
    [],
    [[]],
    [None],
    {},
    1e7,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value in a tree; of long lists the first ones."""
    yield path
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(min(len(value), 3))
        for key in keys:
            yield from places(value[key], (*path, key))


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    content = copy.deepcopy(content)
    target = content
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return content


def damaged(content: bytes, generator: random.Random) -> bytes:
    """The content with a few bits, bytes or pieces changed, mostly in its first and last kilobytes."""
    data, kind = bytearray(content), generator.choice(["flip", "head", "tail", "cut", "insert", "repeat"])
    spot = generator.randrange(len(data))
    if kind == "cut":
        return bytes(data[:spot])
    if kind in ("insert", "repeat"):
        piece = data[spot : spot + 200] if kind == "repeat" else generator.randbytes(5)
        data[spot:spot] = piece
        return bytes(data)
    low = max(0, len(data) - 3000) if kind == "tail" else 0
    high = min(3000, len(data)) if kind == "head" else len(data)
    for _ in range(generator.choice([1, 3, 20])):
        data[generator.randrange(low, high)] ^= 1 << generator.randrange(8)
    return bytes(data)
