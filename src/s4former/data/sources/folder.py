"""A data set on disk: folders of images, masks for some of them, and lists that say which is what."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from s4former.config.errors import DataError
from s4former.data.classes import Classes
from s4former.data.config import DataConfig
from s4former.data.dataset_yaml import DatasetFile, LabeledFiles
from s4former.data.sources.base import Image, LabelImage, Split
from s4former.data.sources.decode import decode_image
from s4former.data.sources.labels import LabelMap
from s4former.data.sources.layout import read_layout
from s4former.data.sources.matching import Found, Matcher
from s4former.data.sources.naming import Naming
from s4former.data.sources.shards import ShardImages, open_shards
from s4former.data.split_lists import first_few, require_utf8

_logger = logging.getLogger(__name__)


class Converter(Protocol):
    """Makes masks of a split's annotations, or finds those that were made before."""

    def __call__(
        self,
        root: Path,
        name: str,
        split: LabeledFiles,
        found: Found,
        names: Sequence[str],
        outside: int,
        channels: int,
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return the mask of each annotated image by its id, and what a person should know of them."""


@dataclass(frozen=True)
class FolderSplit:
    """One split of a data set.

    Attributes:
        images: File of each image by its id, in order.
        masks: File of each mask by the id of its image.
        annotated: Whether the masks were made from annotations and so hold class indices.
    """

    images: Mapping[str, str] = field(default_factory=dict, repr=False)
    masks: Mapping[str, str] = field(default_factory=dict, repr=False)
    annotated: bool = False

    def only(self, ids: list[str]) -> FolderSplit:
        """Return some of the images."""
        return FolderSplit(
            {id: self.images[id] for id in ids}, {id: self.masks[id] for id in ids}, self.annotated
        )


class FolderSource:
    """The images and masks that a ``dataset.yaml``, or the ``data`` fields of a run, name.

    An image's id is its path from the data set's folder without the ending. Only names are looked at when it
    is built, and annotations are turned into masks, by ``convert``; files are opened when they are read. What
    a list names is taken as it is, and it is an error if a labeled image of a list is held out; without a
    list, ``labeled`` excludes what is held out, and ``unlabeled`` what is in any other split.

    Args:
        config: Where the data set is; the fields about batches are not looked at.
        convert: What makes masks of annotations; none: there are none.
        described: What the ``dataset.yaml`` says, if it was read already.

    Attributes:
        layout: What it is made of.
        splits: The images and masks of each split.
        notes: What a person should know of what was matched, excluded or decided.

    Raises:
        DataError: If the description makes no sense, a folder, a list, an image or a mask is missing, or the
            name of a file is not UTF-8.
    """

    def __init__(
        self, config: DataConfig, convert: Converter | None = None, described: DatasetFile | None = None
    ) -> None:
        self.layout = layout = read_layout(config, described)
        self.root, self._classes = layout.root, layout.classes
        self._maps = {
            False: LabelMap(self._classes),
            True: LabelMap(Classes(self._classes.names, self._classes.colors)),
        }
        self._channels, self._value_range = config.channels, config.value_range
        self.notes: tuple[str, ...] = ()
        self._convert = convert
        matcher = Matcher(layout)  # not kept: its lists of all files are of no use in worker processes
        held_out = {name: self._held_out(matcher, name) for name in ("val", "test")}
        labeled = self._labeled(matcher, held_out)
        self._shards = self._sharded(labeled, *held_out.values())
        unlabeled = FolderSplit() if self._shards else self._unlabeled(matcher, labeled, held_out)
        self.splits: dict[Split, FolderSplit] = {"labeled": labeled, "unlabeled": unlabeled}
        self.splits |= {"val": held_out["val"], "test": held_out["test"]}
        for each in self.splits.values():
            inside = (mask.removeprefix(f"{self.root}{os.sep}") for mask in each.masks.values())
            require_utf8([*each.images, *inside])
        self._convert = None  # what is converted is converted: workers need none
        self._ids = {name: tuple(split.images) for name, split in self.splits.items()}

    @property
    def classes(self) -> Classes:
        """The classes of the masks."""
        return self._classes

    @property
    def labeled(self) -> tuple[str, ...]:
        """Ids of the training images whose masks may be used."""
        return self._ids["labeled"]

    @property
    def unlabeled(self) -> Sequence[str]:
        """Ids of the training images without masks."""
        return self._shards or self._ids["unlabeled"]

    @property
    def val(self) -> tuple[str, ...]:
        """Ids of the images to validate on."""
        return self._ids["val"]

    @property
    def test(self) -> tuple[str, ...]:
        """Ids of the images to test on."""
        return self._ids["test"]

    def read_image(self, id: str, split: Split) -> Image:
        """Return an image with ``data.channels`` channels, mostly RGB, rotated as its EXIF tag says.

        Raises:
            DataError: If it cannot be read, or has other channels.
            StorageError: If it lies in a shard that cannot be reached.
        """
        if split == "unlabeled" and self._shards:
            return self._shards.read(id, self._channels, self._value_range)
        return decode_image(self.image_file(id, split), self._channels, self._value_range)

    def read_mask(self, id: str, split: Split) -> LabelImage:
        """Return an image's class indices, `IGNORE` where the file holds a value to ignore.

        Raises:
            DataError: If the mask cannot be read or holds an unknown value.
            ValueError: If ``split`` is ``"unlabeled"``.
        """
        file = self.mask_file(id, split)
        if file is None:
            raise ValueError(f"masks of unlabeled images are never opened, asked for that of {id}")
        return self.label_map(split).read(file)

    def image_file(self, id: str, split: Split) -> Path:
        """Return the path of an image that is a file."""
        return Path(self.splits[split].images[id])

    def image_place(self, id: str, split: Split) -> str:
        """Return where an image lies: its path, or its name behind that of its shard (path or address)."""
        if split == "unlabeled" and self._shards:
            return self._shards.place(id)
        return str(self.image_file(id, split))

    def mask_file(self, id: str, split: Split) -> Path | None:
        """Return the path of an image's mask, None for an unlabeled one."""
        mask = self.splits[split].masks.get(id)
        return None if mask is None else Path(mask)

    def label_map(self, split: Split) -> LabelMap:
        """Return what the values in the masks of a split mean; those made from annotations hold indices."""
        return self._maps[self.splits[split].annotated]

    def fingerprint(self) -> str:
        """Return a hash of the classes, each split's ids in order, and the sizes of the files with masks.

        No file is opened, and unlabeled images count by their names alone: 100,000 of them on a network drive
        would take minutes to ask for their sizes. Where the data set lies does not matter.
        """
        digest = hashlib.sha256(repr(self._classes).encode())
        if self._shards:
            digest.update(self._shards.digest().encode())
        for name, split in sorted(self.splits.items()):
            for id, image in split.images.items():
                files = [image, split.masks[id]] if id in split.masks else []
                digest.update(f"{name}\0{id}\0{[os.path.getsize(file) for file in files]}\n".encode())
        return digest.hexdigest()[:32]

    def _held_out(self, matcher: Matcher, name: Split) -> FolderSplit:
        split = self.layout.file.split(name)
        return self._split(matcher, name, split) if split else FolderSplit()

    def _labeled(self, matcher: Matcher, held_out: Mapping[str, FolderSplit]) -> FolderSplit:
        split = self.layout.file.labeled
        labeled = self._split(matcher, "labeled", split)
        for name, other in held_out.items():
            files = set(other.images.values())
            both = [id for id, file in labeled.images.items() if file in files]
            lists = [self.layout.field("labeled", "list"), self.layout.field(name, "list")]
            if both and split.list:
                raise DataError(
                    f"{len(both)} labeled images are also {name} images: {first_few(both)}; take them out of "
                    f"one of the lists ({', '.join(lists)})"
                )
            if len(both) == len(labeled.images):
                raise DataError(
                    f"all {len(both)} images with a mask are {name} images, and none is left to learn from; "
                    f"name fewer in {lists[1]}"
                )
            labeled = labeled.only([id for id in labeled.images if id not in set(both)])
        return labeled

    def _sharded(self, *others: FolderSplit) -> ShardImages | None:
        """Return the unlabeled images if they lie in shards, but for copies of those of other splits."""
        split = self.layout.file.unlabeled
        if split is None or not split.shards:
            return None
        places = [shard if "://" in shard else str(self.layout.path(shard)) for shard in split.shards]
        found = open_shards(places, self.layout.field("unlabeled", "shards"))
        named = found.only(Naming(split.image_prefix, split.image_suffix))
        own = named.without(file for other in others for file in other.images.values())
        self.notes += (f"{len(own):,} unlabeled images are in shards",)
        if len(own) < len(named):
            self.notes += (f"{len(named) - len(own):,} images in the shards are of other splits: left out",)
        return own

    def _unlabeled(
        self, matcher: Matcher, labeled: FolderSplit, held_out: Mapping[str, FolderSplit]
    ) -> FolderSplit:
        split = self.layout.file.unlabeled
        if split is None:
            return FolderSplit()
        images = matcher.images(split, "unlabeled")
        found = images.files
        if split.list is None:
            taken = {file for other in (labeled, *held_out.values()) for file in other.images.values()}
            return FolderSplit({id: file for id, file in found.items() if file not in taken})
        ids, _ = matcher.listed(split, "unlabeled", images)
        for name, other in held_out.items():
            seen = [id for id in ids if found[id] in set(other.images.values())]
            if seen:
                _logger.warning(
                    "%d unlabeled images are also %s images: %s", len(seen), name, first_few(seen)
                )
        return FolderSplit({id: found[id] for id in ids})

    def _split(self, matcher: Matcher, name: Split, split: LabeledFiles) -> FolderSplit:
        """Return a split's images, or those of its list, with their masks; labeled are those with a mask."""
        found = matcher.images(split, name)
        ids, named = matcher.listed(split, name, found) if split.list else (tuple(found.files), {})
        if split.annotations:
            masks = self._annotated(name, split, found)
        else:
            masks, said = matcher.masks(split, name, found, ids, named)
            if name == "labeled":
                self.notes += tuple(said)
        if name == "labeled" and split.list is None:
            ids = tuple(id for id in ids if id in masks)
        lacking = [id for id in ids if id not in masks]
        if lacking:
            where = f"images of the list {self.layout.path(split.list)}" if split.list else f"{name} images"
            raise DataError(
                f"{len(lacking)} of {len(ids)} {where} have no mask: {first_few(lacking)}; add the masks, or "
                f"name the images to use in a list ({self.layout.field(name, 'list')})"
            )
        return FolderSplit(
            {id: found.files[id] for id in ids}, {id: masks[id] for id in ids}, split.annotations is not None
        )

    def _annotated(self, name: Split, split: LabeledFiles, found: Found) -> dict[str, str]:
        outside = self.layout.file.outside_index(split)
        names = self._classes.names
        if self._convert is None:
            raise DataError(
                f"{self.layout.path(str(split.annotations))} holds annotations, not masks; "
                "open the data set with s4former.curation.open_source"
            )
        masks, notes = self._convert(self.root, name, split, found, names, outside, self._channels)
        self.notes += tuple(note for note in notes if note not in self.notes)
        return masks
