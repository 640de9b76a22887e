"""Annotation files as drawing tools export them, turned into index masks.

Read are COCO json, labelme json, CVAT for images 1.1 xml, Label Studio json and YOLO polygons. One rule
holds for all of them: a pixel belongs to a shape if its center lies inside, coordinates count from the
image's upper left corner, and the image stands as viewers show it (its EXIF rotation applied), which is how
these tools show it too.
"""

from __future__ import annotations

from s4former.curation.annotations.convert import convert
from s4former.curation.annotations.formats import FORMATS, Format, class_names, detect_format
from s4former.curation.annotations.record import Conversion

__all__ = ["FORMATS", "Conversion", "Format", "class_names", "convert", "detect_format"]
