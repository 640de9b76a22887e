"""CVAT for images 1.1: one XML file.

Source: CVAT's page on its XML format. Shapes go over others by ``z_order``, those of one ``z_order`` by
their order in the file. Boxes and ellipses turn clockwise about their center. CVAT applies an image's EXIF
rotation when it is uploaded, so sizes are those of the picture as viewers show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from s4former.config.errors import DataError
from s4former.data.annotations import reading
from s4former.data.annotations.shapes import (
    AnnotatedImage,
    Bitmap,
    Ellipse,
    Notes,
    Polygon,
    Region,
    Shape,
    rectangle,
)

_DRAWN = ("polygon", "box", "ellipse", "mask")
_WITHOUT_AREA = ("polyline", "points", "cuboid", "skeleton")


def files(path: Path) -> list[Path]:
    """Return the files that hold the annotations."""
    return [reading.only_file(path, ".xml")]


def parse(file: Path) -> ElementTree.Element:
    """Return the root of an XML file.

    Raises:
        DataError: If it is no XML, or declares a document type: entities in it could fill the memory.
    """

    def refuse(*_: object) -> None:
        raise DataError(f"{file} declares a DOCTYPE, which CVAT never writes; it is not read")

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(file.read_bytes(), True)
    except (expat.ExpatError, OSError) as error:
        raise DataError(f"cannot read the annotation file {file}: {error}; export it again") from error
    return builder.close()


def looks_like(root: ElementTree.Element) -> bool:
    """Say whether an XML file is of this format, or CVAT's for videos."""
    return root.tag == "annotations" and (root.find("image") is not None or root.find("meta") is not None)


def class_names(path: Path) -> list[str]:
    """Return the labels of the task in its order; without a list of them, those that occur, sorted.

    Raises:
        DataError: If the file is broken.
    """
    file, root = _load(path)
    listed = [label.findtext("name") for label in root.iterfind("meta//labels/label")]
    names = [reading.text(name, f"{file}: meta: labels", "a name") for name in listed]
    used = {
        reading.text(shape.get("label"), str(file), "a label")
        for image in root.iterfind("image")
        for shape in image
        if shape.tag in _DRAWN
    }
    return list(dict.fromkeys(names)) or sorted(used)


def images(path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
    """Return the images of a file with their shapes.

    Raises:
        DataError: If the file is broken or is an export for videos.
    """
    file, root = _load(path)
    for image in root.iterfind("image"):
        name = reading.text(image.get("name"), f"{file}: image {image.get('id')}", "a name")
        where = f"{file}: image {name}"
        size = reading.size(image.get("height"), image.get("width"), where)
        if size is None:
            raise DataError(f"{where}: expected the image's width and height; export it again")
        if image.get("subset"):  # CVAT's projects keep what other tools keep in folders
            name = f"{image.get('subset')}/{name}"
        yield AnnotatedImage((name,), where, partial(_shapes, image, size, where), size)


def _load(path: Path) -> tuple[Path, ElementTree.Element]:
    file = reading.only_file(path, ".xml")
    root = parse(file)
    if root.find("track") is not None and root.find("image") is None:
        raise DataError(f"{file} is an export for videos; export the task as 'CVAT for images 1.1'")
    if not looks_like(root):
        raise DataError(
            f"{file}: expected 'CVAT for images 1.1' with the root <annotations>, got <{root.tag}>"
        )
    return file, root


def _shapes(image: ElementTree.Element, size: tuple[int, int], where: str, notes: Notes) -> list[Shape]:
    layered: list[tuple[float, Shape]] = []
    for index, element in enumerate(image):
        place = f"{where}: {element.tag} {index}"
        if element.tag in _WITHOUT_AREA:
            notes.add("lines, points, cuboids and skeletons, left out", place)
        if element.tag not in _DRAWN:
            continue
        region = _region(element, size, place, notes)
        if region is not None:
            label = reading.text(element.get("label"), place, "a label")
            layer = reading.number(element.get("z_order", 0), place, "z_order")
            layered.append((layer, Shape(label, (region,), place)))
    return [shape for _, shape in sorted(layered, key=lambda item: item[0])]


def _region(element: ElementTree.Element, size: tuple[int, int], where: str, notes: Notes) -> Region | None:
    def get(name: str) -> float:
        return reading.number(element.get(name), where, name)

    degrees = reading.number(element.get("rotation", 0), where, "rotation")
    if element.tag == "box":
        left, top = get("xtl"), get("ytl")
        return rectangle(left, top, get("xbr") - left, get("ybr") - top, degrees, pivot=(0.5, 0.5))
    if element.tag == "ellipse":
        return Ellipse((get("cx"), get("cy")), (abs(get("rx")), abs(get("ry"))), degrees)
    if element.tag == "mask":
        height, width = int(get("height")), int(get("width"))
        if not (0 < height <= size[0] and 0 < width <= size[1]):
            raise DataError(f"{where}: {width} x {height} pixels on an image of {size[1]} x {size[0]}")
        pixels = reading.runs((element.get("rle") or "").split(","), height * width, where)
        return Bitmap(pixels.reshape(height, width), left=int(get("left")), top=int(get("top")))
    pairs = [pair.split(",") for pair in (element.get("points") or "").split(";") if pair.strip()]
    corners = reading.points(pairs, where)
    if len(corners) < 3:
        notes.add("polygons of fewer than 3 points, left out", where)
        return None
    return Polygon(corners)
