"""Label Studio json, its full export and JSON-MIN: which image each task means, and whose annotation counts.

Source: Label Studio's pages on its export format. Later regions go over earlier ones. Of several annotations
of one image the one marked as ground truth counts, else the last one; cancelled ones and the predictions of
models never do. Label Studio draws on the picture as browsers show it, with its EXIF rotation applied; one
that was turned with Label Studio's own button is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from s4former.config.errors import DataError
from s4former.curation.annotations import reading
from s4former.curation.annotations.formats.base import AnnotationFormat
from s4former.curation.annotations.label_studio_regions import (
    has_outline,
    is_on_image,
    labels_of,
    shapes_of,
    size_of,
)
from s4former.curation.annotations.shapes import AnnotatedImage, Notes
from s4former.data.split_lists import SUFFIXES

_DONE = {"annotations", "completions", "predictions"}


@dataclass(frozen=True)
class _Annotation:
    """What one person drew on one image.

    Attributes:
        names: What the image may be called.
        where: What messages call the task.
        regions: Flat records, as JSON-MIN writes them.
        others: Types of the results that mark no part of the image.
        rank: The highest of several counts.
    """

    names: tuple[str, ...]
    where: str
    regions: list[dict[str, Any]]
    others: tuple[str, ...]
    rank: tuple[bool, str]


class LabelStudio(AnnotationFormat):
    """Label Studio json, full or JSON-MIN."""

    name: Literal["label_studio"] = "label_studio"
    """The format: this file's name."""

    def class_names(self, path: Path) -> list[str]:
        """Return the labels of the regions that have an outline, sorted; those of all if none has."""
        regions = [region for annotation in _annotations(path, Notes()) for region in annotation.regions]
        labels = [(has_outline(region), label) for region in regions for label in labels_of(region)[:1]]
        return sorted({label for drawn, label in labels if drawn} or {label for _, label in labels})

    def images(self, path: Path, notes: Notes) -> Iterator[AnnotatedImage]:
        """Return the images of a file with their regions; tasks without annotations are skipped."""
        chosen: dict[str, _Annotation] = {}
        for annotation in _annotations(path, notes):
            other = chosen.get(annotation.names[0])
            if other is not None:
                notes.add(
                    "further annotations of one image, of which ground truth or the last counts", other.where
                )
            if other is None or annotation.rank >= other.rank:
                chosen[annotation.names[0]] = annotation
        others = Counter(kind for annotation in chosen.values() for kind in annotation.others)
        if others and not any(annotation.regions for annotation in chosen.values()):
            listed = ", ".join(f"{kind} ({count})" for kind, count in others.most_common(4))
            raise DataError(
                f"{path}: no result marks a part of an image; they are {listed}. Draw polygons, brushes, "
                "rectangles or ellipses"
            )
        for annotation in chosen.values():
            sizes = {size_of(region, annotation.where) for region in annotation.regions}
            if len(sizes) > 1:
                raise DataError(
                    f"{annotation.where}: its regions were drawn on images of different sizes: {sizes}"
                )
            shapes = partial(shapes_of, annotation.regions, annotation.where)
            yield AnnotatedImage(annotation.names, annotation.where, shapes, next(iter(sizes), None))

    def recognizes(self, path: Path, content: Any) -> bool:
        """Say whether a file's content is of this format."""
        first = content[0] if isinstance(content, list) and content else None
        if not isinstance(first, dict):
            return False
        return _is_full(first) or ("id" in first and bool(_image_values(first)))


def _annotations(path: Path, notes: Notes) -> Iterator[_Annotation]:
    file = reading.only_file(path, ".json")
    for index, task in enumerate(reading.entries(reading.load_json(file), str(file))):
        where = f"{file}: task {reading.short(task.get('id', index))}"
        if not _is_full(task):
            listed = (item for value in task.values() if isinstance(value, list) for item in value)
            regions = [item for item in listed if isinstance(item, dict) and is_on_image(item)]
            rank = False, str(task.get("updated_at", ""))
            yield _Annotation(_names(task, regions, where), where, regions, (), rank)
            continue
        own = reading.entries(task.get("annotations") or task.get("completions") or [], where)
        own = [annotation for annotation in own if not annotation.get("was_cancelled")]
        if not own:
            predicted = " (models' predictions are not used)" if task.get("predictions") else ""
            notes.add(f"tasks that nobody annotated{predicted}, skipped", where)
        for annotation in own:
            rank = bool(annotation.get("ground_truth")), str(annotation.get("updated_at", ""))
            results = reading.entries(annotation.get("result"), where)
            regions = [
                {**result, **result["value"]} for result in results if isinstance(result.get("value"), dict)
            ]
            drawn = [region for region in regions if is_on_image(region)]
            others = [reading.short(region.get("type")) for region in regions if not is_on_image(region)]
            yield _Annotation(_names(task["data"], drawn, where), where, drawn, tuple(others), rank)


def _is_full(task: dict[str, Any]) -> bool:
    return isinstance(task.get("data"), dict) and bool(_DONE & task.keys())


def _image_values(data: dict[str, Any]) -> list[str]:
    """Return the texts that name an image, that of a field ``image`` first."""
    texts = sorted((key != "image", value) for key, value in data.items() if isinstance(value, str))
    return [value for other, value in texts if not other or _path(value).suffix.lower() in SUFFIXES]


def _path(value: str) -> PurePosixPath:
    """Return the file that a field means: a path, an address, or ``/data/local-files/?d=path``."""
    try:
        address = urlsplit(value, allow_fragments=False)  # file names may hold a #
    except ValueError:  # some text that is no address
        return PurePosixPath(value)
    local = parse_qs(address.query).get("d")
    return PurePosixPath(local[0] if local else unquote(address.path))


def _names(data: dict[str, Any], regions: list[dict[str, Any]], where: str) -> tuple[str, ...]:
    """Return what the image of a task may be called, by the field that regions are for if that is told.

    Raises:
        DataError: If regions are for several images, or no field names one.
    """
    targets = {str(region["to_name"]) for region in regions if "to_name" in region}
    if len(targets) > 1:
        raise DataError(
            f"{where}: its regions are for several images ({', '.join(sorted(targets))}); make a task of each"
        )
    values = _image_values({key: value for key, value in data.items() if key in targets})
    values = values or _image_values(data)
    if not values:
        raise DataError(
            f"{where}: none of the fields {', '.join(data)} names an image ({', '.join(SUFFIXES)})"
        )
    raw = values[0].partition("?d=")[2] or values[0]  # a path that was written as it is may hold % & +
    return tuple(dict.fromkeys([str(_path(values[0])), raw]))
