"""COCO json: instances with polygons or run lengths.

Source: the data format page of cocodataset.org and the run lengths of its ``maskApi`` (columns first,
lengths off and on in turn; the compressed form writes each length as the difference to the one two before,
five bits a character). They are decoded here, so that reading a file needs no further package; equal to
pycocotools' masks. Instances have no order of drawing, so smaller ones go over larger ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from s4former.config.errors import DataError
from s4former.data.annotations import reading
from s4former.data.annotations.shapes import AnnotatedImage, Bitmap, Notes, Polygon, Region, Shape


def files(path: Path) -> list[Path]:
    """Return the files that hold the annotations."""
    return [reading.only_file(path, ".json")]


def looks_like(content: Any) -> bool:
    """Say whether a JSON file's content is of this format."""
    return isinstance(content, dict) and "images" in content and "annotations" in content


def class_names(path: Path) -> list[str]:
    """Return the names of the categories in the order of their ids.

    Raises:
        DataError: If the file is broken.
    """
    file, content = _load(path)
    return list(dict.fromkeys(name for _, name in sorted(_categories(content, file).items())))


def images(path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
    """Return the images of a file with their instances.

    Raises:
        DataError: If the file is broken or holds boxes only.
    """
    file, content = _load(path)
    names = _categories(content, file)
    of_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    annotations = reading.entries(content["annotations"], f"{file}: annotations")
    for annotation in annotations:
        of_image[annotation.get("image_id")].append(annotation)
    if any("segments_info" in annotation for annotation in annotations):
        raise DataError(
            f"{file} is a COCO panoptic file, whose masks lie in PNG files; give the instances file instead"
        )
    if annotations and not any(annotation.get("segmentation") for annotation in annotations):
        raise DataError(
            f"{file}: none of the {len(annotations)} annotations has a segmentation: these are boxes of a "
            "detection data set, not masks; export the data set for segmentation"
        )
    for index, image in enumerate(reading.entries(content["images"], f"{file}: images")):
        where = f"{file}: image {image.get('id', index)}"
        own = of_image.pop(image.get("id"), [])
        sizes = {_size_of_runs(annotation, str(file)) for annotation in own} - {None}
        size = reading.size(image.get("height"), image.get("width"), where) or next(iter(sizes), None)
        if sizes - {size}:
            listed = " and ".join(f"{one[0]} x {one[1]}" for one in {size: 0, **dict.fromkeys(sizes)} if one)
            raise DataError(
                f"{where}: the sizes of the image and of its run lengths differ: {listed} (height x width); "
                "export the annotations again"
            )
        name = reading.text(image.get("file_name"), where, "a file_name")
        yield AnnotatedImage((name,), where, partial(_shapes, own, names, str(file)), size)
    for left_over in of_image.values():
        for annotation in left_over:
            notes.add(
                "annotations of images that the file does not list, left out", _where(annotation, str(file))
            )


def decode_runs(segmentation: dict[str, Any], where: str) -> Bitmap:
    """Return the mask of COCO's run lengths, compressed or not.

    Raises:
        DataError: If they are broken.
    """
    height, width = _size(segmentation, where)
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        counts = _decompress(counts, where)
    elif not isinstance(counts, list):
        raise DataError(f"{where}: expected counts as a list of run lengths or a text")
    return Bitmap(reading.runs(counts, height * width, where).reshape(width, height).T)


def _size(segmentation: dict[str, Any], where: str) -> tuple[int, int]:
    given = segmentation.get("size")
    found = reading.size(given[0], given[1], where) if isinstance(given, list) and len(given) == 2 else None
    if found is None:
        raise DataError(f"{where}: expected the size of the run lengths as [height, width], got {given}")
    return found


def _size_of_runs(annotation: dict[str, Any], file: str) -> tuple[int, int] | None:
    segmentation = annotation.get("segmentation")
    return _size(segmentation, _where(annotation, file)) if isinstance(segmentation, dict) else None


def _decompress(text: str, where: str) -> list[int]:
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 60:
            raise DataError(f"{where}: {character!r} is no sign of compressed run lengths; export it again")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:  # more to come
            continue
        if code & 16:  # negative
            value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = shift = 0
    if shift:
        raise DataError(f"{where}: the compressed run lengths break off; export it again")
    return lengths


def _load(path: Path) -> tuple[Path, dict[str, Any]]:
    file = reading.only_file(path, ".json")
    content = reading.load_json(file)
    if not looks_like(content):
        raise DataError(f"{file}: expected COCO json, which has images, annotations and categories")
    return file, content


def _categories(content: dict[str, Any], file: Path) -> dict[int, str]:
    where = f"{file}: categories"
    names: dict[int, str] = {}
    for category in reading.entries(content.get("categories"), where):
        number = category.get("id")
        if not isinstance(number, int):
            raise DataError(f"{where}: expected an id that is a whole number, got {number!r}")
        names[number] = reading.text(category.get("name"), f"{where}: id {number}", "a name")
    return names


def _shapes(annotations: list[dict[str, Any]], names: dict[int, str], file: str, notes: Notes) -> list[Shape]:
    shapes = []
    for annotation in annotations:
        where = _where(annotation, file)
        category = annotation.get("category_id")
        if category not in names:
            raise DataError(
                f"{where}: category_id {category!r} is not among the file's categories; add it there, "
                "or delete the annotation"
            )
        regions = _regions(annotation.get("segmentation"), where, notes)
        if annotation.get("iscrowd"):
            notes.add("crowds (iscrowd), drawn as their class", where)
        if regions:
            shapes.append(Shape(names[category], regions, where))
    return shapes


def _regions(segmentation: Any, where: str, notes: Notes) -> tuple[Region, ...]:
    if isinstance(segmentation, dict):
        return (decode_runs(segmentation, where),)
    if not segmentation:
        notes.add("annotations with a box but no mask, left out", where)
        return ()
    if not isinstance(segmentation, list) or not all(isinstance(part, list) for part in segmentation):
        raise DataError(f"{where}: expected a segmentation as lists [x1, y1, x2, y2, ...] or run lengths")
    regions: list[Region] = []
    for part in segmentation:
        if len(part) % 2:
            raise DataError(f"{where}: a polygon has {len(part)} numbers; x and y come in pairs")
        corners = reading.points([part[at : at + 2] for at in range(0, len(part), 2)], where)
        if len(corners) < 3:
            notes.add("polygons of fewer than 3 points, left out", where)
            continue
        regions.append(Polygon(corners))
    return tuple(regions)


def _where(annotation: dict[str, Any], file: str) -> str:
    return f"{file}: annotation {annotation.get('id', '(without id)')}"
