"""What is looked at before an ONNX file is loaded, so that loading runs nobody's code.

A file may name operators of a library that somebody else loads, and keep its tensors in other files, by any
path. The format is read here as protobuf's wire format has it, as the package ``onnx`` need not be installed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from s4former.config.errors import UserError

STANDARD = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Domains of the operators that onnxruntime itself has."""

# Field numbers of onnx.proto by message: where messages lie in it that lead to operators or tensors.
_INSIDE = {
    "model": {7: "graph", 8: "opset", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DOMAIN, _KEY, _VALUE = {"opset": 1, "node": 7}, 1, 2


def check_onnx(path: Path) -> None:
    """Make sure that an ONNX file needs nothing but itself, files in its folder, and onnxruntime.

    Raises:
        UserError: If it is no ONNX file, has operators of others, or tensors outside of its folder.
    """
    try:
        domains, files = set[str](), set[str]()
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            _walk(whole, 0, len(whole), "model", domains, files)
    except (ValueError, IndexError, KeyError, RecursionError) as error:
        raise UserError(f"{path} is no ONNX file ({error}); give one that `s4former export` wrote") from None
    if others := sorted(domains - {*STANDARD}):
        raise UserError(
            f"{path} has operators of {', '.join(others)}, which are code of others, and is not loaded; give "
            "a file that `s4former export` wrote"
        )
    folder = path.resolve().parent
    for name in sorted(files):
        if not (folder / name).resolve().is_relative_to(folder):
            raise UserError(f"{path} wants to read {name}, outside of its folder, and is not loaded")


def _walk(data: mmap.mmap, start: int, stop: int, kind: str, domains: set[str], files: set[str]) -> None:
    found = {}
    for field, first, last in _fields(data, start, stop):
        if field == _DOMAIN.get(kind):
            domains.add(data[first:last].decode())
        elif kind == "entry":
            found[field] = data[first:last].decode()
        elif inside := _INSIDE.get(kind, {}).get(field):
            _walk(data, first, last, inside, domains, files)
    if found.get(_KEY) == "location":
        files.add(found[_VALUE])


def _fields(data: mmap.mmap, place: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of the fields that have a length; numbers are passed over."""
    while place < stop:
        key, place = _number(data, place)
        wire, length = key & 7, 0
        if wire == 0:
            _, place = _number(data, place)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        elif wire == 2:
            length, place = _number(data, place)
        else:
            raise ValueError("it holds something else")
        if place + length > stop:
            raise ValueError("it is cut off")
        if wire == 2:
            yield key >> 3, place, place + length
        place += length


def _number(data: mmap.mmap, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
