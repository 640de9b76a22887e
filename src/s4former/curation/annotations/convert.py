"""Turns annotations into index masks, once: a second call with the same files does nothing."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from s4former.config.errors import DataError
from s4former.config.record import write_json
from s4former.config.regular import read_text
from s4former.curation.annotations import reading
from s4former.curation.annotations.formats import AnnotationFormat, format_named
from s4former.curation.annotations.matching import Images, Match
from s4former.curation.annotations.shapes import AnnotatedImage, Notes
from s4former.curation.annotations.writing import LabelValues, MaskWriter
from s4former.data.split_lists import first_few
from s4former.types import IGNORE

VERSION = 2
"""Of the masks: it goes up when the same annotations give other masks, so that caches are made anew."""
RECORD = "conversion.json"


def convert(
    annotations: Path,
    format: str,
    images: Mapping[str, Path],
    names: Sequence[str],
    outside: int,
    out: Path,
    on_image: Callable[[int, int], None] | None = None,
    channels: int = 3,
) -> Conversion:
    """Write an index mask for every image that has annotations.

    An image with an empty list of shapes is annotated, too: all of it is ``outside``. Where shapes overlap,
    the one that was drawn later counts; in COCO and YOLO, which know no order of drawing, the smaller one.
    Shapes are cut at the image's edges. Pixels of things that were marked without an outline are unknown
    (`IGNORE`) wherever the thing may be. The labels ``__ignore__`` and ``_background_`` stand for `IGNORE`
    and for ``outside``, unless they are among the names.

    Args:
        annotations: The file or folder.
        format: The name of its format, see `detect_format`.
        images: The file of each image by its id; ids are paths below ``out`` without ending.
        names: The classes in index order.
        outside: The value of pixels in no shape: a class, or `IGNORE`.
        out: A folder for the masks, ``<id>.png``, and a record of what they were made of.
        on_image: Called with the number of masks done and of all masks after each.
        channels: How many channels the images have, to tell the size of those that are no plain pictures.

    Raises:
        DataError: If annotations are broken, mean none of the images, hold a label that is no class or
            nothing with an outline, or were drawn on an image of another size.
    """
    _check(images, names, outside)
    if not annotations.exists():
        raise DataError(f"there is no annotation file or folder {annotations}")
    reader = format_named(format)
    made_of = _made_of(reader, annotations, images, names, outside)
    known = recorded(out, made_of, images)
    if known is not None:
        return known
    notes = Notes()
    matched = _match(reader, annotations, images, notes)
    forget(out, keep=set(matched))
    writer = MaskWriter(LabelValues(names, outside), channels, reader.larger_first, out, notes)
    for done, (id, entry) in enumerate(sorted(matched.items()), start=1):
        writer.write(id, images[id], entry)
        if on_image is not None:
            on_image(done, len(matched))
    writer.judge(annotations)
    absent = [name for index, name in enumerate(names) if index not in writer.used and index != outside]
    lines = [*notes.lines(), *([f"classes that no shape has: {first_few(absent)}"] if absent else [])]
    masks = {id: [*stamp(images[id]), *stamp(out / f"{id}.png")] for id in sorted(matched)}
    write_json(out / RECORD, {"made_of": made_of, "masks": masks, "notes": lines})
    return Conversion(tuple(sorted(matched)), tuple(lines))


def _made_of(
    reader: AnnotationFormat,
    annotations: Path,
    images: Mapping[str, Path],
    names: Sequence[str],
    outside: int,
) -> dict[str, Any]:
    """Return all that masks depend on: while it is as it was, they need not be made again."""
    inputs = [annotations, *reader.files(annotations)]
    if "." in reader.name:  # from outside of the package: where its code changes, masks are made anew
        inputs.append(Path(inspect.getfile(type(reader))))
    files = sorted((id, str(file)) for id, file in images.items())
    return {
        "version": VERSION,
        "format": reader.name,
        "names": list(names),
        "outside": outside,
        "inputs": {str(file): stamp(file) for file in inputs if file.is_file()},
        "images": hashlib.sha256(repr(files).encode()).hexdigest(),
    }


def _check(images: Mapping[str, Path], names: Sequence[str], outside: int) -> None:
    if len(names) > IGNORE:
        raise DataError(f"masks hold at most {IGNORE} classes, got {len(names)} names")
    if not 0 <= outside <= IGNORE:
        raise DataError(f"expected the value outside of all shapes from 0 to {IGNORE}, got {outside}")
    for id in images:
        path = PurePosixPath(id)
        if not id or path.is_absolute() or ".." in path.parts or "\\" in id:
            raise DataError(f"{id!r} is no id of an image: expected a path below the folder of images")


def _match(
    reader: AnnotationFormat, annotations: Path, images: Mapping[str, Path], notes: Notes
) -> dict[str, AnnotatedImage]:
    """Return the entry that annotates each image.

    Raises:
        DataError: If none of the entries means an image, or two mean one image.
    """
    entries = list(reader.images(annotations, notes))
    known = Images(images, (name for entry in entries for name in entry.names))
    found: dict[str, tuple[Match, AnnotatedImage]] = {}
    missing: list[AnnotatedImage] = []
    for entry in entries:
        match = _agreed(known.find(entry.names, entry.where), entry, known)
        if match is None:
            missing.append(entry)
            continue
        other, rival = found.get(match.id, (match, None))
        if rival is not None and other.folders == match.folders:
            raise DataError(
                f"{entry.where} and {rival.where} both annotate {images[match.id]}; remove one of them"
            )
        if rival is None or match.folders > other.folders:
            found[match.id] = (match, entry)
        if rival is not None:  # whose folders agree less, means an image of another folder
            missing.append(rival if match.folders > other.folders else entry)
    if not found:
        named = f"names for example {reading.short(missing[0].names[0])}" if missing else "annotates no image"
        named += "".join(f" ({line})" for line in notes.lines())
        held = f"the first image is {next(iter(images.values()))}" if images else "there are no images"
        raise DataError(
            f"no image of the data set is annotated: {annotations} {named}, {held}; "
            "file names must agree, endings and folders may differ"
        )
    for entry in missing:
        notes.add("annotated images that are not in the data set, skipped", repr(entry.names[0]))
    return {id: entry for id, (_, entry) in found.items()}


def _agreed(match: Match | None, entry: AnnotatedImage, known: Images) -> Match | None:
    """Return the image that an entry means by its own name, or else by that of its file.

    Raises:
        DataError: If these are two images, as in a file that was copied for another image.
    """
    if not entry.beside:
        return match
    beside = known.find([entry.beside], entry.where)
    if match is not None and beside is not None and match.id != beside.id:
        raise DataError(
            f"{entry.where}: means {known.files[match.id]} by the path in it, and {known.files[beside.id]} "
            "by its own name; correct one of them"
        )
    return match or beside


@dataclass(frozen=True)
class Conversion:
    """Masks made from annotations.

    Attributes:
        ids: Images that have a mask now, sorted.
        notes: What a person should know of what was skipped or decided.
    """

    ids: tuple[str, ...]
    notes: tuple[str, ...]


def stamp(file: Path) -> list[int]:
    """Return what changes when a file does: its size, and when its content and its entry last changed.

    The latter can't be set back, as copying tools do with the former.
    """
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _read_record(out: Path) -> dict[str, Any]:
    """Return the record of an earlier conversion; an empty one if there is none or it is broken."""
    try:
        record = json.loads(read_text(out / RECORD))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("masks"), dict) else {}


def recorded(out: Path, made_of: dict[str, Any], images: Mapping[str, Path]) -> Conversion | None:
    """Return an earlier conversion if nothing it was made of has changed and its masks are there."""
    record = _read_record(out)
    if record.get("made_of") != made_of:
        return None
    for id, before in record["masks"].items():
        image = images.get(id)
        mask = out / f"{id}.png"
        if image is None or not image.is_file() or not mask.is_file():
            return None
        if [*stamp(image), *stamp(mask)] != before:  # a mask that was drawn on is made anew, too
            return None
    return Conversion(tuple(record["masks"]), tuple(record.get("notes", ())))


def forget(out: Path, keep: set[str]) -> None:
    """Remove the record of an earlier conversion, and those of its masks that will not be made again."""
    for id in set(_read_record(out).get("masks", {})) - keep:
        mask = (out / f"{id}.png").resolve()
        if mask.is_relative_to(out.resolve()):
            mask.unlink(missing_ok=True)
    (out / RECORD).unlink(missing_ok=True)
