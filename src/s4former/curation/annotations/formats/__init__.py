"""Annotation formats, one file each; which of them a path is in, and which classes it knows.

The file's name is the format's name: there is no registry to edit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s4former.config.errors import DataError
from s4former.config.listed import Listed
from s4former.curation.annotations import reading
from s4former.curation.annotations.formats.base import AnnotationFormat
from s4former.curation.annotations.writing import SPECIAL_LABELS

__all__ = ["FORMATS", "AnnotationFormat", "class_names", "detect_format", "format_named"]

FORMATS: Listed[AnnotationFormat] = Listed(
    "s4former.curation.annotations.formats",
    AnnotationFormat,  # type: ignore[type-abstract]
    "annotation format",
)
"""All formats by name."""


def format_named(name: str) -> AnnotationFormat:
    """Return a format by its name or import path.

    Raises:
        DataError: If there is none of this name.
    """
    try:
        format: AnnotationFormat = FORMATS.parse(name)
    except ValueError as error:
        raise DataError(f"annotations_format: {error}") from None
    return format


def detect_format(path: Path) -> str | None:
    """Return the name of the format of annotations, a file or a folder; None if they are in none.

    Raises:
        DataError: If there is no such file, it is broken, or a folder holds several files of which each
            annotates many images.
    """
    if not path.exists():
        raise DataError(f"there is no annotation file or folder {path}")
    formats = [format_named(name) for name in FORMATS.names()]
    if path.is_file():
        return _recognized(path, formats)
    found: dict[Path, str] = {}
    for file in reading.files_below(path, ".json", ".xml"):
        name = _recognized(file, formats)
        if name and format_named(name).file_per_image:
            return name
        if name:
            found[file] = name
    if len(found) > 1:
        listed = ", ".join(str(file.relative_to(path)) for file in list(found)[:4])
        parts = list({file.parent: None for file in found})
        apart = f", or the parts as in: init {parts[0]} --val {parts[1]}" if len(parts) == len(found) else ""
        raise DataError(
            f"{path} holds several annotation files: {listed}; give the path of one of them{apart}"
        )
    return next(iter(found.values()), None) or _recognized(path, formats)


def class_names(path: Path, format: str) -> list[str]:
    """Return the classes that annotations know, in the order of the format if it has one, else sorted.

    Raises:
        DataError: If a file is broken, or there is no such format.
    """
    return [name for name in format_named(format).class_names(path) if name not in SPECIAL_LABELS]


def _recognized(path: Path, formats: list[AnnotationFormat]) -> str | None:
    content: Any = None
    if path.is_file() and path.suffix.lower() == ".xml":
        content = reading.load_xml(path)
    elif path.is_file() and path.suffix.lower() == ".json":
        content = reading.load_json(path)
        if isinstance(content, dict) and {"items", "categories"} <= content.keys():
            raise DataError(f"{path} is in Datumaro's own format, which is not read here; export it as COCO")
    return next((format.name for format in formats if format.recognizes(path, content)), None)
