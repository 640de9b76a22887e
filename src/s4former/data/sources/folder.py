"""A data set on disk: folders of images, masks for some of them, and lists that say which is what."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from s4former.config.errors import DataError
from s4former.data.config import DataConfig
from s4former.data.labels import LabelMap
from s4former.data.sources.base import Classes, Image, LabelImage, Part
from s4former.data.sources.classes import read_classes
from s4former.data.sources.decode import decode_image
from s4former.data.sources.known import KNOWN
from s4former.data.sources.listing import Folder, FolderPart, listed_part
from s4former.data.splits.lists import first_few, read_split

_logger = logging.getLogger(__name__)


class FolderSource:
    """Images and masks in folders, matched by their path below the folder without suffix and ending.

    Only names are looked at when it is built; files are opened when they are read. Labels outside of the
    classes are an error unless the classes file lists them as to be ignored.

    Args:
        config: Which folders and lists; the fields about batches are not looked at.

    Raises:
        DataError: If a folder, a list, a listed image or a mask is missing, if no image is labeled, or if a
            labeled image is also one to validate or test on.
    """

    def __init__(self, config: DataConfig) -> None:
        self.root = Path(config.root)
        self._channels, self._value_range = config.channels, config.value_range
        if not self.root.is_dir():
            known = next((name for name in (config.classes, self.root.name) if name in KNOWN), None)
            bring = f", or type `s4former prepare {known}`" if known else ""
            raise DataError(
                f"there is no folder {self.root.absolute()}; set data.root to the data set's folder{bring}"
            )
        self._classes = KNOWN.get(config.classes) or read_classes(self.root / config.classes)
        self._label_map = LabelMap(self._classes)
        val = self._held_out(config, "val", config.val_images, config.val_masks, config.val_split)
        test = self._test(config)
        self._parts: dict[Part, FolderPart] = {**self._training(config, val.files() | test.files())}
        self._parts |= {"val": val, "test": test}
        self._check(config)

    @property
    def classes(self) -> Classes:
        """The classes of the masks."""
        return self._classes

    @property
    def labeled(self) -> tuple[str, ...]:
        """Ids of the training images whose masks may be used."""
        return self._parts["labeled"].ids

    @property
    def unlabeled(self) -> tuple[str, ...]:
        """Ids of the training images without masks."""
        return self._parts["unlabeled"].ids

    @property
    def val(self) -> tuple[str, ...]:
        """Ids of the images to validate on."""
        return self._parts["val"].ids

    @property
    def test(self) -> tuple[str, ...]:
        """Ids of the images to test on."""
        return self._parts["test"].ids

    def read_image(self, id: str, part: Part) -> Image:
        """Return an image with ``data.channels`` channels, mostly RGB, rotated as its EXIF tag says.

        Raises:
            DataError: If it cannot be read, or has other channels.
        """
        return decode_image(self._parts[part].image_file(id), self._channels, self._value_range)

    def read_mask(self, id: str, part: Part) -> LabelImage:
        """Return an image's class indices, `IGNORE` where the file holds a value to ignore.

        Raises:
            DataError: If the mask is missing, cannot be read or holds an unknown value.
            ValueError: If ``part`` is ``"unlabeled"``.
        """
        if part == "unlabeled":
            raise ValueError(f"masks of unlabeled images are never opened, asked for that of {id}")
        file = self.mask_file(id, part)
        if file is None:
            raise DataError(f"the {part} image {self.image_file(id, part)} has no mask")
        return self._label_map.read(file)

    def image_file(self, id: str, part: Part) -> Path:
        """Return the path of an image."""
        return self._parts[part].image_file(id)

    def mask_file(self, id: str, part: Part) -> Path | None:
        """Return the path of an image's mask, None for an unlabeled one or where there is none."""
        return None if part == "unlabeled" else self._parts[part].mask_file(id)

    def label_map(self, part: Part) -> LabelMap:
        """Return what the values in the masks of a part mean."""
        return self._label_map

    def fingerprint(self) -> str:
        """Return a hash of the classes, each part's ids in order, and the sizes in bytes of the files used.

        No file is opened: a change that keeps a file's size goes unseen. Where the data set lies does not
        matter, nor do masks of unlabeled images.
        """
        digest = hashlib.sha256(repr(self._classes).encode())
        for name, part in sorted(self._parts.items()):
            for id in part.ids:
                mask = part.mask_file(id)
                files = (part.images.name(id), mask)
                sizes = [os.path.getsize(file) for file in files if file is not None]
                digest.update(f"{name}\0{id}\0{sizes}\n".encode())
        return digest.hexdigest()[:32]

    def _training(self, config: DataConfig, held_out: set[str]) -> dict[Part, FolderPart]:
        images = Folder.scan(self.root / config.train_images, "train_images", config.image_suffix)
        masks = Folder.scan(self.root / config.train_masks, "train_masks", config.mask_suffix)
        free = [id for id in images.endings if images.name(id) not in held_out]
        if config.labeled_split is None:
            labeled = FolderPart(tuple(id for id in free if id in masks.endings), images, masks)
        else:
            split = self.root / config.labeled_split
            labeled = listed_part(read_split(split), split, images, masks)
        if config.unlabeled_split is None:
            known = set(labeled.ids)
            unlabeled = FolderPart(tuple(id for id in free if id not in known), images)
        else:
            split = self.root / config.unlabeled_split
            unlabeled = listed_part(read_split(split), split, images, None)
        return {"labeled": labeled, "unlabeled": unlabeled}

    def _held_out(
        self, config: DataConfig, part: Part, images: str | None, masks: str, split: str | None
    ) -> FolderPart:
        if images is None:
            return FolderPart((), Folder(self.root, {}, f"{part}_images"))
        image_folder = Folder.scan(self.root / images, f"{part}_images", config.image_suffix)
        mask_folder = Folder.scan(self.root / masks, f"{part}_masks", config.mask_suffix)
        if split is None:
            return FolderPart(tuple(image_folder.endings), image_folder, mask_folder)
        return listed_part(read_split(self.root / split), self.root / split, image_folder, mask_folder)

    def _test(self, config: DataConfig) -> FolderPart:
        absent = config.test_images is None or not (self.root / config.test_images).is_dir()
        images = None if absent else config.test_images
        return self._held_out(config, "test", images, config.test_masks, config.test_split)

    def _check(self, config: DataConfig) -> None:
        labeled, unlabeled, val, test = (
            self._parts[part] for part in ("labeled", "unlabeled", "val", "test")
        )
        if not labeled.ids:
            raise DataError(
                f"no image of {labeled.images.path} is labeled: expected a mask of the same name for at "
                f"least one in {self.root / config.train_masks}; check data.train_masks"
            )
        labeled.require_masks("labeled")
        val.require_masks("val")
        for part, held_out in (("val", val), ("test", test)):
            files = held_out.files()
            leaked = [id for id in labeled.ids if labeled.images.name(id) in files]
            if leaked:
                raise DataError(
                    f"{len(leaked)} labeled images are also {part} images: {first_few(leaked)}; "
                    f"take them out of one of the lists (data.labeled_split, data.{part}_split)"
                )
            seen = [id for id in unlabeled.ids if unlabeled.images.name(id) in files]
            if seen:
                _logger.warning(
                    "%d unlabeled images are also %s images: %s", len(seen), part, first_few(seen)
                )
