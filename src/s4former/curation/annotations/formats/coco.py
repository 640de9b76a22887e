"""COCO json: which image and which category each instance means.

Source: the data format page of cocodataset.org. Instances have no order of drawing, so smaller ones go over
larger ones. A crowd (``iscrowd``) is an outline of many objects of its class, and drawn as that; pycocotools'
flag ``ignore`` makes pixels unknown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from s4former.config.errors import DataError
from s4former.curation.annotations import reading
from s4former.curation.annotations.coco_instances import instance, size_of_runs
from s4former.curation.annotations.formats.base import AnnotationFormat
from s4former.curation.annotations.shapes import AnnotatedImage, Notes, Shape
from s4former.data.split_lists import first_few


class COCO(AnnotationFormat):
    """COCO json."""

    larger_first = True

    name: Literal["coco"] = "coco"
    """The format: this file's name."""

    def class_names(self, path: Path) -> list[str]:
        """Return the names of the categories in the order of their ids.

        A category that no annotation has and that others name as their supercategory is no class:
        Roboflow writes the name of the project as one.
        """
        file, content = _load(path)
        names = _categories(content, file)
        used = {_category(annotation, str(file)) for annotation in _annotations(content, file)}
        groups = {str(category.get("supercategory")) for category in content["categories"]}
        ordered = sorted(names.items(), key=lambda item: (isinstance(item[0], str), item[0]))
        return list(dict.fromkeys(name for id, name in ordered if id in used or name not in groups))

    def images(self, path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
        """Return the images of a file with their instances."""
        file, content = _load(path)
        names = _categories(content, file)
        listed = _listed(content, file)
        of_image = _by_image(_annotations(content, file), listed, file, notes)
        for id, image in listed.items():
            where = f"{file}: image {reading.short(id)}"
            own = of_image[id]
            sizes = {
                size_of_runs(annotation.get("segmentation"), _where(annotation, str(file)))
                for annotation in own
            } - {None}
            size = reading.size(image.get("height"), image.get("width"), where) or next(iter(sizes), None)
            if sizes - {size}:
                shown = " and ".join(
                    f"{one[0]} x {one[1]}" for one in {size: 0, **dict.fromkeys(sizes)} if one
                )
                raise DataError(
                    f"{where}: the sizes of the image and of its run lengths differ: {shown} (height x "
                    "width); export the annotations again"
                )
            name = reading.text(image.get("file_name"), where, "a file_name")
            yield AnnotatedImage((name,), where, partial(_shapes, own, names, str(file)), size)

    def recognizes(self, path: Path, content: Any) -> bool:
        """Say whether a file's content is of this format."""
        return _is_coco(content)


def _annotations(content: dict[str, Any], file: Path) -> list[dict[str, Any]]:
    annotations = reading.entries(content["annotations"], f"{file}: annotations")
    if any("segments_info" in annotation for annotation in annotations):
        raise DataError(
            f"{file} is a COCO panoptic file, whose masks lie in PNG files; give the instances file instead"
        )
    return annotations


def _listed(content: dict[str, Any], file: Path) -> dict[int | str, dict[str, Any]]:
    """Return the images by their ids.

    Raises:
        DataError: If an id stands for several images, as in files that were merged.
    """
    listed: dict[int | str, dict[str, Any]] = {}
    named: dict[int | str, set[str]] = defaultdict(set)
    for index, image in enumerate(reading.entries(content["images"], f"{file}: images")):
        id = reading.key(image.get("id"), f"{file}: images: entry {index}", "an id")
        listed.setdefault(id, image)
        named[id].add(str(image.get("file_name")))
    _refuse_shared(named, f"{file}: images")
    return listed


def _refuse_shared(named: Mapping[int | str, set[str]], where: str) -> None:
    shared = {id: names for id, names in named.items() if len(names) > 1}
    if shared:
        first, names = next(iter(shared.items()))
        both = " and ".join(reading.short(name) for name in sorted(names)[:3])
        raise DataError(
            f"{where}: ids that stand for more than one: {_shown(shared)}; {reading.short(first)} is {both}, "
            "and nothing tells which of them an annotation means. Merge the files anew with ids that differ"
        )


def _shown(ids: Iterable[int | str | None]) -> str:
    return first_few([reading.short(id) for id in ids])


def _by_image(
    annotations: Sequence[dict[str, Any]], listed: Collection[int | str], file: Path, notes: Notes
) -> dict[int | str, list[dict[str, Any]]]:
    """Return the annotations of each image.

    Raises:
        DataError: If most of them belong to no image.
    """
    of_image: dict[int | str, list[dict[str, Any]]] = defaultdict(list)
    strangers: Counter[int | str | None] = Counter()
    for annotation in annotations:
        given, where = annotation.get("image_id"), _where(annotation, str(file))
        id = None if given is None else reading.key(given, where, "an image_id")
        if id is not None and id in listed:
            of_image[id].append(annotation)
        else:
            strangers[id] += 1
            notes.add("annotations of images that the file does not list, skipped", where)
    lost = strangers.total()
    if 2 * lost > len(annotations):
        raise DataError(
            f"{file}: {lost} of {len(annotations)} annotations belong to no image: their image_id are "
            f"{_shown(strangers)}, the ids of the images "
            f"{_shown(listed) or 'none'}; export the file again"
        )
    return of_image


def _load(path: Path) -> tuple[Path, dict[str, Any]]:
    file = reading.only_file(path, ".json")
    content = reading.load_json(file)
    if not _is_coco(content):
        raise DataError(f"{file}: expected COCO json, which has images, annotations and categories")
    return file, content


def _categories(content: dict[str, Any], file: Path) -> dict[int | str, str]:
    where = f"{file}: categories"
    names: dict[int | str, str] = {}
    named: dict[int | str, set[str]] = defaultdict(set)
    for category in reading.entries(content.get("categories"), where):
        id = reading.key(category.get("id"), where, "an id that is a whole number or a text")
        names[id] = reading.text(category.get("name"), f"{where}: id {id}", "a name")
        named[id].add(names[id])
    _refuse_shared(named, where)
    return names


def _category(annotation: dict[str, Any], file: str) -> int | str:
    return reading.key(annotation.get("category_id"), _where(annotation, file), "a category_id")


def _shapes(
    annotations: list[dict[str, Any]], names: dict[int | str, str], file: str, notes: Notes
) -> list[Shape]:
    shapes: list[Shape] = []
    for annotation in annotations:
        where = _where(annotation, file)
        category = _category(annotation, file)
        if category not in names:
            raise DataError(
                f"{where}: category_id {reading.short(category)} is not among the file's categories; add it "
                "there, or delete the annotation"
            )
        if reading.flag(annotation.get("iscrowd")):
            notes.add("crowds (iscrowd), drawn as their class", where)
        shapes += instance(annotation, names[category], where)
    return shapes


def _where(annotation: dict[str, Any], file: str) -> str:
    return f"{file}: annotation {reading.short(annotation.get('id'))}"


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and "images" in content and "annotations" in content
