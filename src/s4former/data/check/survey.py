"""The whole check: opens every file once, then applies the rules to what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from s4former.config.errors import UserError
from s4former.data.check.duplicate_rules import duplicate_findings
from s4former.data.check.facts import ImageFacts, MaskFacts
from s4former.data.check.findings import SEVERITIES, Check, Finding, Labels, PartSummary, Sample
from s4former.data.check.image_rules import image_findings
from s4former.data.check.mask_rules import mask_findings
from s4former.data.check.store import FactsStore, seen_from
from s4former.data.config import DataConfig
from s4former.data.labels import UNKNOWN, LabelMap
from s4former.data.progress import Report, silent
from s4former.data.sources.annotated import CACHE
from s4former.data.sources.base import PARTS, MaskValue, Part, Source, part_ids
from s4former.types import IGNORE


@runtime_checkable
class FileSource(Source, Protocol):
    """A source whose images and masks are files."""

    root: Path

    def image_file(self, id: str, part: Part) -> Path:
        """Return the path of an image."""

    def mask_file(self, id: str, part: Part) -> Path | None:
        """Return the path of an image's mask, None for an unlabeled one."""

    def label_map(self, part: Part) -> LabelMap:
        """Return what the values in the masks of a part mean."""


def check_source(source: Source, config: DataConfig, report: Report = silent) -> Check:
    """Open every file of a data set but the masks of unlabeled images, and return what is to be said of it.

    What was seen of each file is kept in ``.s4former`` in the data set's folder, so that a second check opens
    only files that changed.

    Args:
        source: The data set.
        config: Channels and range of its images.
        report: Hears how far it is.

    Raises:
        UserError: If the data set is not made of files.
    """
    if not isinstance(source, FileSource):
        raise UserError(f"data.source={config.source} has no files to check")
    places = [(id, part) for part in PARTS for id in part_ids(source, part)]
    images = {place: source.image_file(*place) for place in places}
    masks = {place: file for place in places if (file := source.mask_file(*place)) is not None}
    folder = source.root / CACHE / "check"
    seen = FactsStore(folder / "images.jsonl", ImageFacts, [config.channels, config.value_range], source.root)
    look = partial(ImageFacts.of, channels=config.channels, value_range=config.value_range)
    image_facts = seen.look(images.values(), look, "opening images", report)
    masked: list[Part] = [part for part in PARTS if part != "unlabeled" and part_ids(source, part)]
    maps = {part: source.label_map(part) for part in masked}
    readings = {file: maps[part].reading for (_, part), file in masks.items()}
    settings = {part: label_map.reading for part, label_map in maps.items()}
    seen_masks = FactsStore(folder / "masks.jsonl", MaskFacts, settings, source.root)
    mask_facts = seen_masks.look(
        masks.values(), lambda file: MaskFacts.of(file, readings[file]), "opening masks", report
    )
    samples = [
        _sample(
            id, part, source, image_facts[images[id, part]], mask_facts.get(masks.get((id, part), Path()))
        )
        for id, part in places
    ]
    findings = [
        *image_findings(samples, config.channels),
        *mask_findings(samples, maps),
        *duplicate_findings(samples),
        *_set_findings(source),
    ]
    return Check(
        tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))),
        {
            part: PartSummary.of([one for one in samples if one.part == part], len(source.classes))
            for part in PARTS
            if part_ids(source, part)
        },
        source.classes,
        len(image_facts) + len(mask_facts),
        seen.fresh + seen_masks.fresh,
    )


def _sample(id: str, part: Part, source: FileSource, image: ImageFacts, mask: MaskFacts | None) -> Sample:
    file = seen_from(source.image_file(id, part), source.root)
    mask_file = source.mask_file(id, part)
    if mask is None or mask_file is None:
        return Sample(id, part, file, image)
    labels = None if mask.error is not None else labels_of(mask, source.label_map(part))
    return Sample(id, part, file, image, seen_from(mask_file, source.root), mask, labels)


def labels_of(mask: MaskFacts, label_map: LabelMap) -> Labels:
    """Return what the values of a mask mean."""
    meanings = _meanings([value for value, _ in mask.counts], label_map)
    pixels: dict[int, int] = {}
    for (_, count), index in zip(mask.counts, meanings, strict=True):
        pixels[index] = pixels.get(index, 0) + count
    ignored, _ = pixels.pop(IGNORE, 0), pixels.pop(UNKNOWN, 0)
    unknown = tuple(pair for pair, index in zip(mask.counts, meanings, strict=True) if index == UNKNOWN)
    return Labels(pixels, ignored, unknown)


def _meanings(values: Sequence[MaskValue], label_map: LabelMap) -> list[int]:
    if not values:
        return []
    pixels = np.array([values], dtype=np.uint8 if isinstance(values[0], tuple) else np.int64)
    found: list[int] = label_map.indices(pixels)[0].tolist()
    return found


def _set_findings(source: Source) -> Iterator[Finding]:
    count: Mapping[Part, int] = {part: len(part_ids(source, part)) for part in PARTS}
    if count["labeled"] == 1:
        yield Finding(
            "one_labeled_image",
            "note",
            "there is 1 labeled image",
            "it works, but nothing helps as much as a few more masks of images that look different",
        )
    if not count["unlabeled"]:
        yield Finding(
            "no_unlabeled",
            "note",
            "there are no unlabeled images: training is supervised",
            "add images without masks to learn from them too, as in unlabeled: {images: DIR}",
        )
    if not count["val"]:
        yield Finding(
            "no_val",
            "warning",
            "there are no validation images: nothing will tell how good the model is",
            "hold some labeled images out: s4former init IMAGES --masks MASKS --val 0.2 "
            "--force, or write val: {images: DIR, masks: DIR}",
        )
    for note in getattr(source, "notes", ()):
        yield Finding("matching", "note", note, "nothing, if that is what you meant")
