"""What an exported file tells of itself, looked at before it is believed; needs no other package."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from s4former.config.errors import UserError

_MAX_SIDE = 2**16


def pair(value: Any) -> Any:
    """Return a number as height and width, anything else as it is."""
    return [value, value] if type(value) is int else value


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= _MAX_SIDE


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_side, value))


def _is_color(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(type(v) is int and 0 <= v < 256 for v in value)


def _is_input(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_side(value.get("channels"))
        and "value_range" in value
        and (value.get("size") is None or _is_size(value["size"]))
        and _is_side(value.get("multiple_of"))
    )


def _is_protocol(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("mode") in ("whole", "slide")
        and (value.get("short_side") is None or _is_side(value["short_side"]))
        and (value.get("stride") is None or _is_size(pair(value["stride"])))
        and _is_size(pair(value.get("crop_size")))
    )


TOLD: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "names": (
        "names of up to 255 classes",
        lambda value: (
            isinstance(value, list) and 0 < len(value) < 256 and all(isinstance(name, str) for name in value)
        ),
    ),
    "colors": (
        "a color of three numbers from 0 to 255 for each class",
        lambda value: isinstance(value, list) and bool(value) and all(map(_is_color, value)),
    ),
    "input": ("channels, value_range, size and multiple_of of the images", _is_input),
    "evaluate": ("mode, short_side, crop_size and stride of the windows", _is_protocol),
}
"""What a file tells in its metadata: by name what is expected, and whether a value is that."""


def read_told(path: str | Path, told: Mapping[str, str], name: str) -> Any:
    """Return a value of the metadata, which is JSON.

    Args:
        path: The file, for the message.
        told: All of its metadata.
        name: One of `TOLD`.

    Raises:
        UserError: If it is missing, or something else than expected.
    """
    expected, is_right = TOLD[name]
    text = told.get(name)
    try:
        value = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if value is None or not is_right(value):
        given = "nothing" if text is None else text if len(text) <= 80 else f"{text[:80]}..."
        raise UserError(
            f"the metadata {name!r} of {path} is {given}; expected {expected}, as in a file that `s4former "
            "export` wrote"
        )
    return value
