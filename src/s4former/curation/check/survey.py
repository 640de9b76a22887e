"""The whole check: opens every file once, then applies the rules to what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from s4former.config.errors import DataError, UserError
from s4former.curation.check.duplicate_rules import duplicate_findings
from s4former.curation.check.facts import ImageFacts, MaskFacts
from s4former.curation.check.findings import SEVERITIES, Check, Finding, Labels, Sample, SplitSummary
from s4former.curation.check.image_rules import image_findings
from s4former.curation.check.mask_rules import mask_findings
from s4former.curation.check.store import FactsStore, seen_from
from s4former.curation.sources import CACHE
from s4former.data.classes import MaskValue
from s4former.data.config import DataConfig
from s4former.data.progress import Report, silent
from s4former.data.sources.base import SPLITS, Source, Split, split_ids
from s4former.data.sources.labels import UNKNOWN, LabelMap
from s4former.data.sources.shards import ShardImages
from s4former.types import IGNORE


@runtime_checkable
class FileSource(Source, Protocol):
    """A source whose images and masks are files."""

    root: Path

    def image_file(self, id: str, split: Split) -> Path:
        """Return the path of an image that is a file."""

    def image_place(self, id: str, split: Split) -> str:
        """Return where an image lies, whether it is a file or in a shard."""

    def mask_file(self, id: str, split: Split) -> Path | None:
        """Return the path of an image's mask, None for an unlabeled one."""

    def label_map(self, split: Split) -> LabelMap:
        """Return what the values in the masks of a split mean."""


Place = tuple[str, Split]


def is_packed(source: Source, split: Split) -> bool:
    """Return whether the images of a split are no files of their own, but lie in shards."""
    return isinstance(split_ids(source, split), ShardImages)


def check_source(
    source: Source, config: DataConfig, report: Report = silent, used: Sequence[Split] = SPLITS
) -> Check:
    """Open every file of a data set but the masks of unlabeled images, and return the findings.

    What was seen of each file is kept in ``.s4former`` in the data set's folder, so that a second check opens
    only files that changed. Images in shards are opened as files are.

    Args:
        source: The data set.
        config: Channels and range of its images.
        report: Hears how far it is.
        used: The splits that the run looks at; what is wrong with others is a warning, as nothing stops.

    Raises:
        UserError: If the data set is not made of files.
    """
    if not isinstance(source, FileSource):
        raise UserError(f"data.source={config.source} has no files to check")
    survey = Survey(source, config)
    samples = survey.look([(id, split) for split in SPLITS for id in split_ids(source, split)], report)
    return survey.conclude(samples, used)


class Survey:
    """Looks at files of a data set, as many as it is asked to, and applies the rules to what was seen.

    Args:
        source: The data set.
        config: Channels and range of its images.
    """

    def __init__(self, source: FileSource, config: DataConfig) -> None:
        self.source, self._config = source, config
        masked: list[Split] = [split for split in SPLITS if split != "unlabeled" and split_ids(source, split)]
        self._maps = {split: source.label_map(split) for split in masked}
        folder = source.root / CACHE / "check"
        settings = [config.channels, config.value_range]
        readings = {split: label_map.reading for split, label_map in self._maps.items()}
        self._images = FactsStore(folder / "images.jsonl", ImageFacts, settings, source.root)
        self._masks = FactsStore(folder / "masks.jsonl", MaskFacts, readings, source.root)
        self._packed = (
            _Packed(source.unlabeled, config) if isinstance(source.unlabeled, ShardImages) else None
        )
        self._in_shards: FactsStore[str, ImageFacts] = FactsStore(
            folder / "shards.jsonl",
            ImageFacts,
            settings,
            source.root,
            self._packed.stamp if self._packed else None,
        )
        self._files = 0

    def known(self, places: Sequence[Place]) -> list[Place]:
        """Return the images that an earlier look saw, with their masks, and those whose files are missing.

        Args:
            places: Images that are files.
        """
        files = [(place, self.source.image_file(*place), self.source.mask_file(*place)) for place in places]
        images = self._images.known(image for _, image, _ in files)
        masks = self._masks.known(mask for _, _, mask in files if mask is not None)
        return [
            place
            for place, image, mask in files
            if (image in images and (mask is None or mask in masks))
            or not (image.is_file() and (mask is None or mask.is_file()))
        ]

    def look(self, places: Sequence[Place], report: Report = silent, forget: bool = True) -> list[Sample]:
        """Return what images and their masks hold; files that were seen before are not opened again.

        Args:
            places: Which images of which splits.
            report: Hears how far it is.
            forget: Forget what was seen of all others.
        """
        config, shards = self._config, self._packed
        packed = {
            place: self.source.image_place(*place)
            for place in places
            if shards is not None and place[1] == "unlabeled"
        }
        files = {place: self.source.image_file(*place) for place in places if place not in packed}
        masks = {place: file for place in places if (file := self.source.mask_file(*place)) is not None}
        look = partial(ImageFacts.of, channels=config.channels, value_range=config.value_range)
        of_files = self._images.look(files.values(), look, "opening images", report, forget)
        image_facts = {place: of_files[file] for place, file in files.items()}
        if shards:
            shards.ids = {lies: id for (id, _), lies in packed.items()}
            what = "opening images in shards"
            of_packed = self._in_shards.look(packed.values(), shards.look, what, report, forget)
            image_facts |= {place: of_packed[lies] for place, lies in packed.items()}
            self._files += len(of_packed)
        readings = {file: self._maps[split].reading for (_, split), file in masks.items()}
        mask_facts = self._masks.look(
            masks.values(), lambda file: MaskFacts.of(file, readings[file]), "opening masks", report, forget
        )
        self._files += len(of_files) + len(mask_facts)
        return [
            _sample(*place, self.source, image_facts[place], mask_facts.get(masks.get(place, Path())))
            for place in places
        ]

    def conclude(self, samples: Sequence[Sample], used: Sequence[Split] = SPLITS) -> Check:
        """Return the findings about what was seen."""
        findings = list(self._findings([one for one in samples if one.split in used]))
        findings += _set_findings(self.source)
        others = [split for split in SPLITS if split not in used and split_ids(self.source, split)]
        if others:
            findings += [
                _of_no_concern(finding, others)
                for finding in (
                    *self._findings([one for one in samples if one.split in others]),
                    *(one for one in duplicate_findings(samples) if set(one.message.split()) & set(others)),
                )
                if finding not in findings
            ]
        return Check(
            tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))),
            {
                split: SplitSummary.of(own, len(self.source.classes))
                for split in SPLITS
                if (own := [one for one in samples if one.split == split])
            },
            self.source.classes,
            self._files,
            self._images.fresh + self._masks.fresh + self._in_shards.fresh,
        )

    def _findings(self, samples: Sequence[Sample]) -> Iterator[Finding]:
        splits = {one.split for one in samples}
        yield from image_findings(samples, self._config.channels)
        yield from mask_findings(
            samples, {split: self._maps[split] for split in self._maps if split in splits}
        )
        yield from duplicate_findings(samples)


class _Packed:
    """Looks at images in shards, which are called by where they lie.

    Args:
        shards: The images.
        config: Their channels and range.

    Attributes:
        ids: Those to look at: id by place.
    """

    def __init__(self, shards: ShardImages, config: DataConfig) -> None:
        self._shards, self._config = shards, config
        self.ids: dict[str, str] = {}

    def stamp(self, place: str) -> list[int]:
        """Return what changes as soon as the image does."""
        return self._shards.stamp(self.ids[place])

    def look(self, place: str) -> ImageFacts:
        """Decode an image and look at it."""
        try:
            with self._shards.unpacked(self.ids[place]) as copy:
                facts = ImageFacts.of(copy, self._config.channels, self._config.value_range)
                return replace(facts, error=facts.error and facts.error.replace(str(copy), place))
        except DataError as error:
            return ImageFacts(error=str(error))


def _of_no_concern(finding: Finding, splits: Sequence[Split]) -> Finding:
    """Return a finding about splits that a run does not look at, which nothing stops for."""
    if finding.severity != "error":
        return finding
    message = f"{finding.message} (training goes on, as it does not look at {' and '.join(splits)} images)"
    return replace(finding, severity="warning", message=message)


def _sample(id: str, split: Split, source: FileSource, image: ImageFacts, mask: MaskFacts | None) -> Sample:
    file = seen_from(source.image_place(id, split), source.root)
    mask_file = source.mask_file(id, split)
    if mask is None or mask_file is None:
        return Sample(id, split, file, image)
    labels = None if mask.error is not None else labels_of(mask, source.label_map(split))
    return Sample(id, split, file, image, seen_from(mask_file, source.root), mask, labels)


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
    count: Mapping[Split, int] = {split: len(split_ids(source, split)) for split in SPLITS}
    if len(source.classes) == 1:
        yield Finding(
            "one_class",
            "error",
            f"there is one class, {source.classes.names[0]}: a network has to choose between two at least",
            "give what is not that class a name too, with its values, as in {name: background, values: [0]}",
        )
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
