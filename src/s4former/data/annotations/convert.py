"""Turns annotations into index masks, once: a second call with the same files does nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PilImage

from s4former.config.errors import DataError
from s4former.config.record import write_atomically, write_json
from s4former.data.annotations.formats import READERS, Format, Reader
from s4former.data.annotations.matching import Images, Match
from s4former.data.annotations.rasterize import draw
from s4former.data.annotations.record import RECORD, Conversion, forget, recorded, stamp
from s4former.data.annotations.shapes import AnnotatedImage, Notes
from s4former.data.annotations.sizes import displayed_size
from s4former.data.annotations.values import LabelValues
from s4former.data.splits.lists import first_few
from s4former.types import IGNORE

VERSION = 1
"""Of the masks: it goes up when the same annotations give other masks, so that caches are made anew."""


def convert(
    annotations: Path,
    format: Format,
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
    Shapes are cut at the image's edges. The labels ``__ignore__`` and ``_background_`` stand for `IGNORE` and
    for ``outside``, unless they are among the names.

    Args:
        annotations: The file or folder.
        format: Its format, see `detect_format`.
        images: The file of each image by its id; ids are paths below ``out`` without ending.
        names: The classes in index order.
        outside: The value of pixels in no shape: a class, or `IGNORE`.
        out: A folder for the masks, ``<id>.png``, and a record of what they were made of.
        on_image: Called with the number of masks done and of all masks after each.
        channels: How many channels the images have, to tell the size of those that are no plain pictures.

    Raises:
        DataError: If annotations are broken, mean none of the images, hold a label that is no class, or were
            drawn on an image of another size.
    """
    _check(images, names, outside)
    if not annotations.exists():
        raise DataError(f"there is no annotation file or folder {annotations}")
    reader = READERS[format]
    inputs = [annotations, *reader.files(annotations)]
    made_of = {
        "version": VERSION,
        "format": format,
        "names": list(names),
        "outside": outside,
        "inputs": {str(file): stamp(file) for file in inputs if file.is_file()},
        "images": hashlib.sha256(
            repr(sorted((id, str(file)) for id, file in images.items())).encode()
        ).hexdigest(),
    }
    known = recorded(out, made_of, images)
    if known is not None:
        return known
    notes = Notes()
    matched = _match(reader, annotations, images, notes)
    forget(out, keep=set(matched))
    labels = LabelValues(names, outside)
    sizes = partial(displayed_size, channels=channels)
    used = _write_masks(matched, images, sizes, labels, reader.larger_first, out, notes, on_image)
    absent = [name for index, name in enumerate(names) if index not in used and index != outside]
    lines = [*notes.lines(), *([f"classes that no shape has: {first_few(absent)}"] if absent else [])]
    record = {"made_of": made_of, "masks": {id: stamp(images[id]) for id in sorted(matched)}, "notes": lines}
    write_json(out / RECORD, record)
    return Conversion(tuple(sorted(matched)), tuple(lines))


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
    reader: Reader, annotations: Path, images: Mapping[str, Path], notes: Notes
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
        match = known.find(entry.names, entry.where)
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
        named = f"names for example {missing[0].names[0]!r}" if missing else "holds no image"
        held = f"the first image is {next(iter(images.values()))}" if images else "there are no images"
        raise DataError(
            f"no image of the data set is annotated: {annotations} {named}, {held}; "
            "file names must agree, endings and folders may differ"
        )
    for entry in missing:
        notes.add("annotated images that are not in the data set, left out", repr(entry.names[0]))
    return {id: entry for id, (_, entry) in found.items()}


def _write_masks(
    matched: Mapping[str, AnnotatedImage],
    images: Mapping[str, Path],
    size_of: Callable[[Path], tuple[int, int]],
    labels: LabelValues,
    larger_first: bool,
    out: Path,
    notes: Notes,
    on_image: Callable[[int, int], None] | None,
) -> set[int]:
    """Draw and write the masks, and return the values that shapes have.

    Raises:
        DataError: If an entry is broken, a label is unknown or a size differs.
    """
    rule = "smaller ones count" if larger_first else "later ones count"
    used: set[int] = set()
    for done, (id, entry) in enumerate(sorted(matched.items()), start=1):
        # Before the shapes are read: no mask larger than the image is decoded.
        height, width = _agreed_size(entry, images[id], size_of)
        shapes = entry.shapes(notes)
        values = [labels.value(shape, notes) for shape in shapes]
        known = [value for value in values if value is not None]
        if labels.unknown:
            continue  # look at the remaining labels, so that one message names them all
        regions = [shape.regions for shape in shapes]
        drawing = draw(list(zip(regions, known, strict=True)), height, width, labels.outside, larger_first)
        if drawing.overlap:
            notes.add(f"images where shapes of different classes overlap ({rule})", entry.where)
        for index in drawing.lost:
            notes.add(
                "shapes outside of the image or too thin to cover a pixel's center", shapes[index].where
            )
        if not shapes:
            notes.add("images without any shape, all of them outside", entry.where)
        used.update(known)
        write_atomically(out / f"{id}.png", partial(_save, drawing.mask))
        if on_image is not None:
            on_image(done, len(matched))
    if labels.unknown:
        raise DataError(labels.complaint())
    return used


def _agreed_size(
    entry: AnnotatedImage, file: Path, size_of: Callable[[Path], tuple[int, int]]
) -> tuple[int, int]:
    """Return the height and width of an image that is as large as the one that was drawn on.

    Raises:
        DataError: If it is not.
    """
    size = size_of(file)
    if entry.size is None or entry.size == size:
        return size
    reason = (
        "they are swapped: the annotations count pixels as the camera stored them, while viewers turn the "
        "image by its EXIF tag; save the image turned, without the tag, and annotate or export that"
        if entry.size == size[::-1]
        else "give the image that was annotated, not one that was resized or cropped since"
    )
    raise DataError(
        f"{entry.where}: drawn on an image of {entry.size[1]} x {entry.size[0]} pixels, but {file} has "
        f"{size[1]} x {size[0]}; {reason}"
    )


def _save(mask: UInt8[np.ndarray, "h w"], file: Path) -> None:
    PilImage.fromarray(mask).save(file, format="PNG")
