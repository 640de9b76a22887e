"""Annotation formats, one file each. The file's name is the format's name: there is no registry to edit."""

from __future__ import annotations

from s4former.config.listed import Listed
from s4former.curation.annotations.formats.base import AnnotationFormat

__all__ = ["FORMATS", "AnnotationFormat"]

FORMATS: Listed[AnnotationFormat] = Listed(
    "s4former.curation.annotations.formats",
    AnnotationFormat,  # type: ignore[type-abstract]
    "annotation format",
)
"""All formats by name."""
