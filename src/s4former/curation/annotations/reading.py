"""Reads the content of annotation files and checks what is in them, with errors that name file and entry."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
from jaxtyping import Bool
from PIL import Image

from s4former.config.errors import DataError
from s4former.config.regular import read_bytes, read_text
from s4former.curation.annotations.shapes import Points

# No image is that wide: larger numbers are no pixel coordinates, and sums of them lose pixels.
_FARTHEST = 1e7
BROKEN = (TypeError, ValueError, OSError, SyntaxError, OverflowError, MemoryError)
"""What decoding broken pictures raises."""
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 100
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]{0,17}))(?:\.0+)?")


def load_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        return json.loads(text_of(path))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is not complete JSON: {error.msg} in line {error.lineno}; "
            "was it cut off while it was copied? Export it again"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:  # ValueError: endless numbers
        raise DataError(f"cannot read the annotation file {path}: {error}") from error


def load_xml(file: Path) -> ElementTree.Element:
    """Return the root of an XML file.

    Raises:
        DataError: If it is no XML, or declares a document type: entities in it could fill the memory.
    """

    def refuse(*_: object) -> None:
        raise DataError(f"{file} declares a DOCTYPE, which no drawing tool writes; it is not read")

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(read_bytes(file), True)
    except (expat.ExpatError, OSError, LookupError, ValueError) as error:  # the latter: unknown encodings
        raise DataError(f"cannot read the annotation file {file}: {error}; export it again") from error
    return builder.close()


def text_of(path: Path) -> str:
    """Return the content of a text file.

    Raises:
        DataError: If it cannot be read, or is not in UTF-8.
    """
    try:
        return read_text(path, "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"cannot read the annotation file {path}: it is not in UTF-8 ({error.reason} in byte "
            f"{error.start}); open it in a text editor and save it as UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read the annotation file {path}: {error}") from error


def files_below(path: Path, *endings: str) -> list[Path]:
    """Return a file itself, or the files with these endings below a folder, but no hidden ones."""
    if not path.is_dir():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in endings
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.is_file()
    )


def only_file(path: Path, ending: str) -> Path:
    """Return a file itself, or the only one with this ending in a folder.

    Raises:
        DataError: If the folder holds none or several.
    """
    files = files_below(path, ending)
    if len(files) != 1:
        found = ", ".join(str(file.relative_to(path)) for file in files[:3]) or "none"
        raise DataError(
            f"{path}: expected one annotation file that ends in {ending}, found {found}"
            f"{' and more' if len(files) > 3 else ''}; give the path of the file"
        )
    return files[0]


def entries(value: Any, where: str) -> list[dict[str, Any]]:
    """Return a list of records.

    Raises:
        DataError: If it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(f"{where}: expected a list of records {{...}}, got {short(value)}")
    return value


def text(value: Any, where: str, what: str) -> str:
    """Return a text that is not empty, without white space around it; a whole number is one, too.

    Raises:
        DataError: If it is something else; ``what`` says what was expected.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: expected {what}, got {short(value)}")
    if re.search("[\ud800-\udfff]", value):
        raise DataError(
            f"{where}: expected {what}, got {value[:40]!a}, which holds half a character (a surrogate "
            "without its other half); write it anew"
        )
    return value.strip()


def key(value: Any, where: str, what: str) -> int | str:
    """Return what records are joined by: a number and a text of one value are one, so 1, 1.0 and "1" are.

    Raises:
        DataError: If it is neither a whole number nor a text; ``what`` says what was expected.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (whole := _WHOLE.fullmatch(value.strip())):
        return int(whole[1])
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: expected {what}, got {short(value)}")
    return value.strip()


def flag(value: Any) -> bool:
    """Say whether a flag is set, which some write as a text."""
    return str(value).strip().lower() in ("1", "1.0", "true", "yes")


def number(value: Any, where: str, what: str) -> float:
    """Return a coordinate, length or angle, which texts may hold.

    Raises:
        DataError: If it is no finite number or too large; ``what`` says what it should be.
    """
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not abs(found) <= _FARTHEST:
        raise DataError(f"{where}: expected a number for {what}, got {short(value)}")
    return found


def size(height: Any, width: Any, where: str) -> tuple[int, int] | None:
    """Return an image's height and width as an entry gives them; None if it doesn't.

    Raises:
        DataError: If they are no sizes.
    """
    if height is None or width is None:
        return None
    found = number(height, where, "the image's height"), number(width, where, "the image's width")
    if not all(value >= 1 and value == int(value) for value in found):
        raise DataError(
            f"{where}: expected the image's height and width in pixels, got {short(height)} and "
            f"{short(width)}"
        )
    return int(found[0]), int(found[1])


def points(value: Any, where: str) -> Points:
    """Return a list of [x, y] as an array.

    Raises:
        DataError: If it is something else, or a coordinate is no finite number.
    """
    try:
        found = np.array(value, dtype=float).reshape(-1, 2) if not value else np.array(value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    if found.ndim != 2 or found.shape[1] != 2:
        raise DataError(f"{where}: expected points as [x, y], got {short(value)}")
    wrong = ~(np.abs(found) <= _FARTHEST)  # also true for NaN
    if wrong.any():
        raise DataError(f"{where}: {found[wrong][0]} is no coordinate of a point; draw the shape again")
    return found


def png(encoded: Any, where: str) -> Bool[np.ndarray, "h w"]:
    """Return the pixels that are set in a PNG file in base64: the opaque ones, else those that are not 0.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)), formats=["PNG"]) as picture:
            values = np.array(picture)
            opaque = "A" in picture.getbands()
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise DataError(f"{where}: cannot read its mask: {error}; draw it again") from error
    pixels = np.atleast_3d(values) != 0
    return pixels[..., -1] if opaque else np.asarray(pixels.any(axis=-1))


def runs(counts: Iterable[Any], total: int, where: str) -> Bool[np.ndarray, " n"]:
    """Return pixels from lengths of runs that are off and on in turn, off first.

    Raises:
        DataError: If the lengths don't add up to ``total``.
    """
    try:
        lengths = np.array([int(count) for count in counts], dtype=np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{where}: run lengths are whole numbers: {error}") from error
    if (lengths < 0).any() or (lengths > total).any() or lengths.sum() != total:
        raise DataError(
            f"{where}: the run lengths add up to {lengths.sum()} pixels, the mask has {total}; "
            "export it again"
        )
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def short(value: Any) -> str:
    """Return a value as messages show it."""
    try:
        shown = _SHOWN.repr(value)
    except ValueError:  # a number of thousands of digits
        shown = f"a {type(value).__name__} that is too long to be shown"
    return shown if len(shown) <= 100 else f"{shown[:97]}..."
