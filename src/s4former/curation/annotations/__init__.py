"""Annotation files as drawing tools export them, turned into index masks.

The formats are files in ``formats/``. One rule holds for all of them: a pixel belongs to a shape if its
center lies inside, coordinates count from the image's upper left corner, and the image stands as viewers show
it (its EXIF rotation applied), which is how these tools show it too.
"""

from __future__ import annotations

from s4former.curation.annotations.convert import Conversion, convert
from s4former.curation.annotations.formats import FORMATS, AnnotationFormat, class_names, detect_format
from s4former.curation.annotations.shapes import AnnotatedImage, Notes, Polygon, Shape, rectangle

__all__ = [
    "FORMATS",
    "AnnotatedImage",
    "AnnotationFormat",
    "Conversion",
    "Notes",
    "Polygon",
    "Shape",
    "class_names",
    "convert",
    "detect_format",
    "rectangle",
]
