"""The formats that are read, how they are told apart, and where each is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from s4former.config.errors import DataError
from s4former.curation.annotations import coco, cvat, label_studio, labelme, mask_files, reading, yolo
from s4former.curation.annotations.shapes import AnnotatedImage, Notes
from s4former.data.dataset_yaml import AnnotationFormat

Format = AnnotationFormat
FORMATS: tuple[Format, ...] = get_args(Format)
"""Names of the formats, as ``dataset.yaml`` gives them."""

SPECIAL_LABELS = ("__ignore__", "_background_")
"""Labels with a meaning instead of a class, as in labelme: pixels to ignore, and pixels outside of all
classes."""


@dataclass(frozen=True)
class Reader:
    """How a format is read.

    Attributes:
        files: Lists the files that hold the annotations.
        class_names: Lists the classes that they know.
        images: Reads the images with their shapes.
        larger_first: Whether larger shapes are drawn first, as the format knows no order of drawing.
    """

    files: Callable[[Path], list[Path]]
    class_names: Callable[[Path], list[str]]
    images: Callable[[Path, Notes], Iterator[AnnotatedImage]]
    larger_first: bool = False


READERS: dict[Format, Reader] = {
    "coco": Reader(coco.files, coco.class_names, coco.images, larger_first=True),
    "labelme": Reader(labelme.files, labelme.class_names, labelme.images),
    "cvat": Reader(cvat.files, cvat.class_names, cvat.images),
    "label_studio": Reader(label_studio.files, label_studio.class_names, label_studio.images),
    "yolo": Reader(yolo.files, yolo.class_names, yolo.images, larger_first=True),
    "mask_files": Reader(mask_files.files, mask_files.class_names, mask_files.images, larger_first=True),
}


def detect_format(path: Path) -> Format | None:
    """Return the format of an annotation file, or of a folder that holds annotations; None if it is none.

    Raises:
        DataError: If there is no such file, it is broken, or a folder holds several files of which each
            annotates many images.
    """
    if not path.exists():
        raise DataError(f"there is no annotation file or folder {path}")
    if path.is_file():
        return _of_file(path)
    found: dict[Path, Format] = {}
    for file in reading.files_below(path, ".json", ".xml"):
        format = _of_file(file)
        if format == "labelme":
            return format
        if format is not None:
            found[file] = format
    if len(found) > 1:
        listed = ", ".join(str(file.relative_to(path)) for file in list(found)[:4])
        parts = list({file.parent: None for file in found})
        apart = f", or the parts as in: init {parts[0]} --val {parts[1]}" if len(parts) == len(found) else ""
        raise DataError(
            f"{path} holds several annotation files: {listed}; give the path of one of them{apart}"
        )
    if found:
        return next(iter(found.values()))
    return "yolo" if yolo.looks_like(path) else None


def class_names(path: Path, format: Format) -> list[str]:
    """Return the classes that annotations know, in the order of the format if it has one, else sorted.

    Raises:
        DataError: If a file is broken.
    """
    return [name for name in READERS[format].class_names(path) if name not in SPECIAL_LABELS]


def _of_file(file: Path) -> Format | None:
    ending = file.suffix.lower()
    if ending == ".xml":
        return "cvat" if cvat.looks_like(cvat.parse(file)) else None
    if ending in (".yaml", ".yml"):
        return "yolo" if yolo.looks_like(file) else None
    if ending != ".json":
        return None
    content = reading.load_json(file)
    if isinstance(content, dict) and {"items", "categories"} <= content.keys():
        raise DataError(f"{file} is in Datumaro's own format, which is not read here; export it as COCO")
    if coco.looks_like(content):
        return "coco"
    if labelme.looks_like(content):
        return "labelme"
    return "label_studio" if label_studio.looks_like(content) else None
