"""A data set as its ``dataset.yaml`` describes it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from s4former.config.errors import DataError
from s4former.data.config import DataConfig
from s4former.data.dataset_yaml.schema import ImageFiles, LabeledFiles, read_dataset_file
from s4former.data.labels import LabelMap
from s4former.data.sources.annotated import annotated_masks
from s4former.data.sources.base import Classes, Image, LabelImage, Part
from s4former.data.sources.decode import decode_image
from s4former.data.sources.matching import Found, Matcher
from s4former.data.splits.lists import first_few


@dataclass(frozen=True)
class DatasetPart:
    """One part of a data set.

    Attributes:
        images: File of each image by its id, in order.
        masks: File of each mask by the id of its image.
        annotated: Whether the masks were made from annotations and so hold class indices.
    """

    images: Mapping[str, str] = field(default_factory=dict, repr=False)
    masks: Mapping[str, str] = field(default_factory=dict, repr=False)
    annotated: bool = False


class DatasetSource:
    """The images and masks that a ``dataset.yaml`` names.

    Only names are looked at when it is built, and annotations are turned into masks if that was not done
    before; files are opened when they are read. An image is left out of ``labeled`` if it is held out, and
    out of ``unlabeled`` if it is in any other part.

    Args:
        config: ``root`` and ``dataset`` say where the file is; split lists replace the file's own.

    Attributes:
        file: What the file says.
        parts: The images and masks of each part.
        notes: What a person should know of what was matched, left out or decided.

    Raises:
        DataError: If the file does not make sense, or a folder, a list, an image or a mask is missing.
    """

    def __init__(self, config: DataConfig) -> None:
        self.root = Path(config.root)
        self.file = read_dataset_file(self.root / config.dataset)
        self._classes = self.file.classes
        self._maps = {
            False: LabelMap(self._classes),
            True: LabelMap(Classes(self._classes.names, self._classes.colors)),
        }
        self._channels, self._value_range = config.channels, config.value_range
        self.notes: tuple[str, ...] = ()
        self._matcher = Matcher(self.root, self.file)
        val = self._held_out("val", self.file.part("val"), config.val_split)
        test = self._held_out("test", self.file.part("test"), config.test_split)
        held_out = {*val.images.values(), *test.images.values()}
        labeled = self._labeled(config.labeled_split, held_out)
        unlabeled = self._unlabeled(config.unlabeled_split, held_out | set(labeled.images.values()))
        self.parts: dict[Part, DatasetPart] = {
            "labeled": labeled,
            "unlabeled": unlabeled,
            "val": val,
            "test": test,
        }
        self._ids = {name: tuple(part.images) for name, part in self.parts.items()}
        del self._matcher  # its lists of all files are not needed any more, in worker processes least of all

    @property
    def classes(self) -> Classes:
        """The classes of the masks."""
        return self._classes

    @property
    def labeled(self) -> tuple[str, ...]:
        """Ids of the training images whose masks may be used."""
        return self._ids["labeled"]

    @property
    def unlabeled(self) -> tuple[str, ...]:
        """Ids of the training images without masks."""
        return self._ids["unlabeled"]

    @property
    def val(self) -> tuple[str, ...]:
        """Ids of the images to validate on."""
        return self._ids["val"]

    @property
    def test(self) -> tuple[str, ...]:
        """Ids of the images to test on."""
        return self._ids["test"]

    def read_image(self, id: str, part: Part) -> Image:
        """Return an image with ``data.channels`` channels, mostly RGB, rotated as its EXIF tag says.

        Raises:
            DataError: If it cannot be read, or has other channels.
        """
        return decode_image(self.image_file(id, part), self._channels, self._value_range)

    def read_mask(self, id: str, part: Part) -> LabelImage:
        """Return an image's class indices, `IGNORE` where the file holds a value to ignore.

        Raises:
            DataError: If the mask cannot be read or holds an unknown value.
            ValueError: If ``part`` is ``"unlabeled"``.
        """
        file = self.mask_file(id, part)
        if file is None:
            raise ValueError(f"masks of unlabeled images are never opened, asked for that of {id}")
        return self.label_map(part).read(file)

    def image_file(self, id: str, part: Part) -> Path:
        """Return the path of an image."""
        return Path(self.parts[part].images[id])

    def mask_file(self, id: str, part: Part) -> Path | None:
        """Return the path of an image's mask, None for an unlabeled one."""
        mask = self.parts[part].masks.get(id)
        return None if mask is None else Path(mask)

    def label_map(self, part: Part) -> LabelMap:
        """Return what the values in the masks of a part mean; those made from annotations hold indices."""
        return self._maps[self.parts[part].annotated]

    def fingerprint(self) -> str:
        """Return a hash of the classes, each part's ids in order, and the sizes of the files with masks.

        No file is opened, and unlabeled images count by their names alone: 100,000 of them on a network drive
        would take minutes to ask for their sizes. Where the data set lies does not matter.
        """
        digest = hashlib.sha256(repr(self._classes).encode())
        for name, part in sorted(self.parts.items()):
            for id, image in part.images.items():
                files = [image, part.masks[id]] if id in part.masks else []
                digest.update(f"{name}\0{id}\0{[os.path.getsize(file) for file in files]}\n".encode())
        return digest.hexdigest()[:32]

    def _labeled(self, split: str | None, held_out: set[str]) -> DatasetPart:
        part = self.file.labeled
        labeled = self._part("labeled", part, split)
        kept = [id for id, file in labeled.images.items() if file not in held_out]
        both = len(labeled.images) - len(kept)
        if both and (split or part.list):
            ids = [id for id in labeled.images if id not in set(kept)]
            raise DataError(
                f"{both} labeled images are also held out: {first_few(ids)}; take them out of one of the "
                f"lists ({split or part.list}, val, test)"
            )
        if not kept:
            raise DataError(
                f"all {both} labeled images are held out by val or test; at least one is needed to learn from"
            )
        return DatasetPart(
            {id: labeled.images[id] for id in kept}, {id: labeled.masks[id] for id in kept}, labeled.annotated
        )

    def _unlabeled(self, split: str | None, taken: set[str]) -> DatasetPart:
        own = self.file.unlabeled
        list_file = split or (own.list if own else None)
        if own is None or not own.images:
            if list_file is None:
                return DatasetPart()
            shared = {"images", "image_prefix", "image_suffix"}
            own = ImageFiles(**self.file.labeled.model_dump(include=shared))
        found = self._matcher.images(own, "unlabeled")
        if list_file is not None:
            found = found.only(self._matcher.listed(self.root / list_file, found)[0])
        return DatasetPart({id: file for id, file in found.files.items() if file not in taken})

    def _held_out(self, name: Part, part: LabeledFiles | None, split: str | None) -> DatasetPart:
        if part is None:
            if split is None:
                return DatasetPart()
            part = self.file.labeled.model_copy(update={"list": None})
        held_out = self._part(name, part, split)
        missing = [id for id in held_out.images if id not in held_out.masks]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(held_out.images)} {name} images have no mask: {first_few(missing)}; "
                f"add the masks, or name the images to use in a list ({name}.list)"
            )
        return held_out

    def _part(self, name: Part, part: LabeledFiles, split: str | None) -> DatasetPart:
        """Return a part's images, or those of its list, with their masks; labeled are those with a mask."""
        found = self._matcher.images(part, name)
        masks = self._annotated(name, part, found) if part.annotations else self._matched(name, part, found)
        list_file = split or part.list
        if list_file is not None:
            ids, named = self._matcher.listed(self.root / list_file, found)
            masks |= named
            lacking = [id for id in ids if id not in masks]
            if lacking:
                raise DataError(
                    f"{len(lacking)} of {len(ids)} images of the list {self.root / list_file} have no mask: "
                    f"{first_few(lacking)}; add the masks or take the lines out"
                )
        else:
            ids = tuple(id for id in found.files if name != "labeled" or id in masks)
        return DatasetPart(
            {id: found.files[id] for id in ids},
            {id: masks[id] for id in ids if id in masks},
            part.annotations is not None,
        )

    def _matched(self, name: Part, part: LabeledFiles, found: Found) -> dict[str, str]:
        masks = self._matcher.masks(part, found, name)
        unused = self._matcher.unused_masks(part, masks)
        if unused and name == "labeled":
            self.notes += (f"{len(unused)} masks belong to no image: {first_few(unused, 3)}",)
        return masks

    def _annotated(self, name: Part, part: LabeledFiles, found: Found) -> dict[str, str]:
        outside = self.file.outside_index(part)
        names = self._classes.names
        masks, notes = annotated_masks(self.root, name, part, found, names, outside, self._channels)
        self.notes += tuple(note for note in notes if note not in self.notes)
        return masks
