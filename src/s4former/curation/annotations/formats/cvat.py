"""CVAT for images 1.1: one XML file.

Source: CVAT's page on its XML format. Shapes go over others by ``z_order``, those of one ``z_order`` by
their order in the file. Boxes and ellipses turn clockwise about their center. A cuboid lies within the hull
of its eight corners. Shapes of tracks are exported frame by frame; those that are ``outside`` are not there.
CVAT applies an image's EXIF rotation when it is uploaded, so sizes are those of the picture as viewers show
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

from s4former.config.errors import DataError
from s4former.curation.annotations import reading
from s4former.curation.annotations.formats.base import AnnotationFormat
from s4former.curation.annotations.shapes import (
    AnnotatedImage,
    Bitmap,
    Ellipse,
    Notes,
    Points,
    Polygon,
    Region,
    Shape,
    Stroke,
    around,
    hull,
    outline,
    rectangle,
)

_DRAWN = ("polygon", "box", "ellipse", "mask")
_WITHOUT_OUTLINE = {"polyline": "lines", "points": "points", "cuboid": "cuboids", "skeleton": "skeletons"}
_CORNERS = [f"{side}{end}" for end in (1, 2) for side in ("tl", "bl", "tr", "br")]


class CVAT(AnnotationFormat):
    """CVAT for images 1.1."""

    ending = ".xml"

    name: Literal["cvat"] = "cvat"
    """The format: this file's name."""

    def class_names(self, path: Path) -> list[str]:
        """Return the labels of the task in its order; without a list of them, those with an area, sorted."""
        file, root = _load(path)
        listed = [label.findtext("name") for label in root.iterfind("meta//labels/label")]
        names = [reading.text(name, f"{file}: meta: labels", "a name") for name in listed]
        used: dict[bool, set[str]] = {True: set(), False: set()}
        for image in root.iterfind("image"):
            for shape in image:
                if shape.tag in _DRAWN or shape.tag in _WITHOUT_OUTLINE:
                    used[shape.tag in _DRAWN].add(reading.text(shape.get("label"), str(file), "a label"))
        return list(dict.fromkeys(names)) or sorted(used[True] or used[False])

    def images(self, path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
        """Return the images of a file with their shapes."""
        file, root = _load(path)
        if root.find("image/tag") is not None and all(
            shape.tag == "tag" for shape in root.iterfind("image/*")
        ):
            raise DataError(f"{file} holds tags of whole images alone, and no shapes; draw polygons or masks")
        for image in root.iterfind("image"):
            name = reading.text(image.get("name"), f"{file}: image {image.get('id')}", "a name")
            where = f"{file}: image {name}"
            size = reading.size(image.get("height"), image.get("width"), where)
            if size is None:
                raise DataError(f"{where}: expected the image's width and height; export it again")
            if image.get("subset"):  # CVAT's projects keep what other tools keep in folders
                name = f"{image.get('subset')}/{name}"
            yield AnnotatedImage((name,), where, partial(_shapes, image, size, where), size)

    def recognizes(self, path: Path, content: Any) -> bool:
        """Say whether an XML file is of this format, or CVAT's for videos."""
        return isinstance(content, ElementTree.Element) and _is_cvat(content)


def _load(path: Path) -> tuple[Path, ElementTree.Element]:
    file = reading.only_file(path, ".xml")
    root = reading.load_xml(file)
    if root.find("track") is not None:
        raise DataError(f"{file} is an export for videos; export the task as 'CVAT for images 1.1'")
    if not _is_cvat(root):
        raise DataError(
            f"{file}: expected 'CVAT for images 1.1' with the root <annotations>, got <{root.tag}>"
        )
    return file, root


def _shapes(image: ElementTree.Element, size: tuple[int, int], where: str, notes: Notes) -> list[Shape]:
    layered: list[tuple[float, Shape]] = []
    for index, element in enumerate(image):
        place = f"{where}: {element.tag} {index}"
        if element.tag == "tag":
            notes.add("tags of whole images, skipped", place)
        elif element.get("outside") == "1":
            notes.add("shapes that have left the image (outside), skipped", place)
        elif element.tag in _DRAWN or element.get("label") is not None:
            layer = reading.number(element.get("z_order", 0), place, "z_order")
            layered.append((layer, _shape(element, size, place)))
    return [shape for _, shape in sorted(layered, key=lambda item: item[0])]


def _shape(element: ElementTree.Element, size: tuple[int, int], where: str) -> Shape:
    label = reading.text(element.get("label"), where, "a label")
    if element.tag == "polygon":
        return outline(label, _points(element, where), where)
    if element.tag in _DRAWN:
        return Shape(label, (_region(element, size, where),), where)
    kind = _WITHOUT_OUTLINE.get(element.tag, f"shapes of the unknown type {element.tag}")
    if element.tag == "cuboid":
        return Shape(label, (Polygon(hull(_cuboid(element, where))),), where, unknown=kind)
    points = _points(element, where)
    if element.tag == "polyline":
        return Shape(label, (Stroke(points),), where, unknown=kind)
    if element.tag == "points":
        return Shape(label, tuple(Stroke(point[None]) for point in points), where, unknown=kind)
    return Shape(label, around(points), where, unknown=kind)


def _region(element: ElementTree.Element, size: tuple[int, int], where: str) -> Region:
    def get(name: str) -> float:
        return reading.number(element.get(name), where, name)

    degrees = reading.number(element.get("rotation", 0), where, "rotation")
    if element.tag == "box":
        left, top = get("xtl"), get("ytl")
        return rectangle(left, top, get("xbr") - left, get("ybr") - top, degrees, pivot=(0.5, 0.5))
    if element.tag == "ellipse":
        return Ellipse((get("cx"), get("cy")), (abs(get("rx")), abs(get("ry"))), degrees)
    height, width = int(get("height")), int(get("width"))
    if not (0 < height <= size[0] and 0 < width <= size[1]):
        raise DataError(f"{where}: {width} x {height} pixels on an image of {size[1]} x {size[0]}")
    pixels = reading.runs((element.get("rle") or "").split(","), height * width, where)
    return Bitmap(pixels.reshape(height, width), left=int(get("left")), top=int(get("top")))


def _points(element: ElementTree.Element, where: str) -> Points:
    """Return the points of an element; those of a skeleton are elements of their own."""
    seen = [one for one in element.iter() if one.get("points") and one.get("outside") != "1"]
    pairs = [pair.split(",") for one in seen for pair in str(one.get("points")).split(";") if pair.strip()]
    if not pairs:
        raise DataError(
            f"{where}: a {reading.short(element.get('label'))} without a point is nowhere; draw it again, or "
            "delete it"
        )
    return reading.points(pairs, where)


def _cuboid(element: ElementTree.Element, where: str) -> Points:
    corners = [
        [reading.number(element.get(axis + corner), where, axis + corner) for axis in "xy"]
        for corner in _CORNERS
    ]
    return np.array(corners)


def _is_cvat(root: ElementTree.Element) -> bool:
    return root.tag == "annotations" and (root.find("image") is not None or root.find("meta") is not None)
