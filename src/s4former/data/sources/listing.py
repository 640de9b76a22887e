"""Folders of images, seen as ids: which files there are, and which of them a split list means."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s4former.config.errors import DataError
from s4former.data.splits.lists import SUFFIXES, Entry, first_few


@dataclass(frozen=True)
class Folder:
    """The image files below one folder.

    Attributes:
        path: The folder.
        endings: The ending of each file's name by id; an id is the path below the folder without the ending.
        option: The config field that named the folder, for messages.
        suffix: What every name has between id and ending.
    """

    path: Path
    endings: Mapping[str, str] = field(repr=False)
    option: str
    suffix: str = ""

    @classmethod
    def scan(cls, path: Path, option: str, suffix: str = "") -> Folder:
        """List a folder and its subfolders; nothing is opened, and hidden files are left out.

        Args:
            path: The folder.
            option: The config field that named it, for messages.
            suffix: What names must have before the ending; files without it are left out.

        Raises:
            DataError: If there is no such folder, two files differ only in their ending, or there are images
                but none with the suffix.
        """
        if not path.is_dir():
            raise DataError(f"there is no folder {path}; set data.{option} (it starts from data.root)")
        endings: dict[str, str] = {}
        other = ""
        for parent, folders, names in os.walk(path):
            folders.sort()
            prefix = Path(parent).relative_to(path).as_posix()
            for name in sorted(names):
                stem, ending = os.path.splitext(name)
                if ending.lower() not in SUFFIXES or name.startswith("."):
                    continue
                if not stem.endswith(suffix):
                    other = name
                    continue
                stem = stem.removesuffix(suffix)
                id = stem if prefix == "." else f"{prefix}/{stem}"
                if id in endings:
                    raise DataError(
                        f"{path}: {id}{suffix}{endings[id]} and {id}{suffix}{ending} have the same id; "
                        "files of one folder must differ in more than the ending"
                    )
                endings[id] = ending
        if other and not endings:
            what = "mask_suffix" if option.endswith("masks") else "image_suffix"
            raise DataError(f"no name in {path} ends in {suffix!r} (there is {other}); change data.{what}")
        return cls(path, endings, option, suffix)

    def file(self, id: str) -> Path:
        """Return the path of a file by its id."""
        return Path(self.name(id))

    def name(self, id: str) -> str:
        """Return the path of a file as text, which takes a tenth of the time: there may be 100,000 files."""
        return os.path.join(self.path, f"{id}{self.suffix}{self.endings[id]}")

    def find(self, name: str) -> str | None:
        """Return the id that a line of a split list means, or None.

        Published lists often give paths from a folder further up, as in ``JPEGImages/2007_000032.jpg``:
        leading folders of the name are dropped, one after the other, until it is known here; the suffix may
        be there or not.
        """
        if name not in self.endings:
            name = name.removesuffix(self.suffix)
        while name not in self.endings:
            _, slash, name = name.partition("/")
            if not slash:
                return None
        return name


@dataclass(frozen=True)
class FolderPart:
    """One part of a data set: its ids in order, and where their images and masks lie.

    Attributes:
        ids: Ids of the part's images in ``images``.
        images: The folder of the images.
        masks: The folder of the masks; None where masks must not be opened.
        mask_ids: Ids in ``masks`` of the images whose mask has another id than they have.
    """

    ids: tuple[str, ...]
    images: Folder
    masks: Folder | None = None
    mask_ids: Mapping[str, str] = field(default_factory=dict, repr=False)

    def image_file(self, id: str) -> Path:
        """Return the path of an image."""
        return self.images.file(id)

    def mask_file(self, id: str) -> Path | None:
        """Return the path of an image's mask, or None if there is none."""
        if self.masks is None:
            return None
        mask = self.mask_ids.get(id, id)
        return self.masks.file(mask) if mask in self.masks.endings else None

    def files(self) -> set[str]:
        """Return the paths of the images as text."""
        return {self.images.name(id) for id in self.ids}

    def require_masks(self, part: str) -> None:
        """Check that each image has a mask.

        Raises:
            DataError: If not; the message names up to five images and says how many there are.
        """
        missing = [id for id in self.ids if self.mask_file(id) is None]
        if missing and self.masks is not None:
            raise DataError(
                f"{len(missing)} of {len(self.ids)} {part} images have no mask in {self.masks.path}: "
                f"{first_few(missing)}; a mask has its image's name but for the ending "
                f"(data.{self.masks.option})"
            )


def listed_part(entries: Sequence[Entry], split: Path, images: Folder, masks: Folder | None) -> FolderPart:
    """Return the part that the lines of a split list name.

    Raises:
        DataError: If an image is missing; the message names up to five and says how many there are.
    """
    found = [images.find(entry.image) for entry in entries]
    missing = [entry.image for entry, id in zip(entries, found, strict=True) if id is None]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(entries)} images of the split list {split} are not in {images.path}: "
            f"{first_few(missing)}; check the list and data.{images.option}"
        )
    ids = tuple(id for id in found if id is not None)
    mask_ids: dict[str, str] = {}
    if masks is not None:
        for id, entry in zip(ids, entries, strict=True):
            mask = None if entry.mask is None else masks.find(entry.mask)
            if mask is not None and mask != id:
                mask_ids[id] = mask
    return FolderPart(ids, images, masks, mask_ids)
