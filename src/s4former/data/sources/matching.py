"""Which images the folders of a data set hold, which mask is whose, and what its lists name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from s4former.config.errors import DataError
from s4former.data.dataset_yaml import ImageFiles, LabeledFiles
from s4former.data.sources.finding import Finder, plain
from s4former.data.sources.layout import Layout
from s4former.data.sources.mismatch import (
    how_paired,
    no_images,
    no_masks,
    own_mask,
    same_name,
    several_masks,
    shared_mask,
)
from s4former.data.sources.naming import Naming, unpadded
from s4former.data.split_lists import first_few, read_split, strip_suffix


@dataclass(frozen=True)
class Found:
    """Images of a split, in order.

    Attributes:
        files: Path of each image by its id: the path from the data set's folder, without the ending.
        keys: Number of the folder and what the image's mask is called after, by id.
    """

    files: Mapping[str, str] = field(repr=False)
    keys: Mapping[str, tuple[int, str]] = field(repr=False)


class Matcher:
    """Matches the names in a data set's folders and lists.

    Args:
        layout: The folders and lists.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._found: dict[tuple[object, ...], Found] = {}
        splits = [split for name in ("labeled", "val", "test") if (split := layout.file.split(name))]
        self._masks = [
            (layout.path(folder), Naming(split.mask_prefix, split.mask_suffix))
            for split in splits
            for folder in split.masks
        ]
        self._beside = [  # of images whose labels are annotations: what masks are called that lie among them
            (layout.path(folder), Naming(split.mask_prefix, split.mask_suffix))
            for split in splits
            if split.annotations
            for folder in split.images
        ]

    def images(self, split: ImageFiles, name: str) -> Found:
        """Return the images of a split's folders; masks that lie among them are excluded.

        Raises:
            DataError: If a folder is missing, or two images of it differ only in their ending.
        """
        key = (split.images, split.image_prefix, split.image_suffix)
        if key not in self._found:
            self._found[key] = self._images(split, name)
        return self._found[key]

    def masks(
        self, split: LabeledFiles, name: str, found: Found, ids: Iterable[str], named: Mapping[str, str]
    ) -> tuple[dict[str, str], list[str]]:
        """Return the mask of each image that has one, and what a person should know of how they fit.

        A mask is called after its image; where that finds none, differences in case and what looks like an
        ending within the name, as in ``0.jpg.png``, do not count, and then zeros before a number do not.

        Args:
            split: The folders.
            name: Of the split, for messages.
            found: The images of the split's folders.
            ids: The images that matter.
            named: Masks that a list names, by the id of their image.

        Raises:
            DataError: If a folder is missing, no image has a mask, an image has several, one is the mask of
                several, or an image would be its own.
        """
        candidates: dict[str, list[str]] = {}
        unused: list[str] = []
        renumbered: dict[str, str] = {}
        for number, folder in enumerate(split.masks):
            keys = {id: key for id, (of, key) in found.keys.items() if len(split.masks) == 1 or of == number}
            own, left = _paired(keys, self._table(split, name, folder))
            by_number = _by_number(keys, own, left)
            renumbered |= {id: left.pop(key)[0] for id, key in by_number.items()}
            candidates |= own
            unused += [file for files in left.values() for file in files]
        candidates |= {id: [file] for id, file in renumbered.items()}
        masks = dict(named)
        for id in ids:
            if id not in masks and id in candidates:
                masks[id] = self._only(candidates[id], found.files[id], split, name)
        if not masks and not candidates:
            raise DataError(no_masks(self.layout, split, name, [*found.files.values()]))
        if len(split.images) > len(split.masks):
            self._require_one_owner(masks, found, name)
        pairs = [(found.files[id], file) for id, file in renumbered.items() if masks.get(id) == file]
        return masks, how_paired(unused, pairs)

    def listed(self, split: ImageFiles, name: str, found: Found) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the ids that a split's list names, and the masks that it names by id.

        Raises:
            DataError: If a line means no image or mask, or several.
        """
        listing = self.layout.path(str(split.list))
        images = Finder((own, id) for id, (_, key) in found.keys.items() for own in (id, key))
        entries = read_split(listing)
        ids = [self._one(images, entry.image, listing) for entry in entries]
        missing = [entry.image for entry, id in zip(entries, ids, strict=True) if id is None]
        if missing:
            form = _form([entry.image for entry in entries], missing)
            raise DataError(
                f"{len(missing)} of {len(entries)} images of the list {listing} are not among the "
                f"{len(found.files)} images of {self.layout.field(name, 'images')}: {first_few(missing)}; "
                f"expected names such as {next(iter(found.files))}{form}"
            )
        known = [id for id in ids if id is not None]
        named = {id: entry.mask for id, entry in zip(known, entries, strict=True) if entry.mask is not None}
        masks = self._listed_masks(named, listing, split, name) if isinstance(split, LabeledFiles) else {}
        return tuple(dict.fromkeys(known)), masks

    def _listed_masks(
        self, named: Mapping[str, str], listing: Path, split: LabeledFiles, name: str
    ) -> dict[str, str]:
        """Return the masks that a list names; those of annotated images are made, and so not looked for."""
        if not named or not split.masks:
            return {}
        files = {
            strip_suffix(_id_prefix(folder) + below): file
            for folder in split.masks
            for below, file in self._files(folder, name)
        }
        finder = Finder((mask, mask) for mask in files)
        masks = {id: self._one(finder, mask, listing) for id, mask in named.items()}
        missing = [named[id] for id, mask in masks.items() if mask is None]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(named)} masks of the list {listing} are not in "
                f"{self.layout.field(name, 'masks')}: {first_few(missing)}; expected names such as "
                f"{next(iter(files), 'none, as it holds no mask')}"
            )
        return {id: files[mask] for id, mask in masks.items() if mask is not None}

    def _images(self, split: ImageFiles, name: str) -> Found:
        naming = Naming(split.image_prefix, split.image_suffix)
        files: dict[str, str] = {}
        keys: dict[str, tuple[int, str]] = {}
        for number, folder in enumerate(split.images):
            path, start = self.layout.path(folder), _id_prefix(folder)
            nested, among = self._masks_in(path)
            for below in self.layout.images_in(folder, self.layout.field(name, "images")):
                key = naming.key(below)
                if key is None or below.startswith(nested):
                    continue
                if any(mask.key(below) is not None for mask in among):
                    continue
                id, file = strip_suffix(start + below), os.path.join(path, below)
                if files.setdefault(id, file) != file:
                    among_masks = any(Path(file).is_relative_to(masks) for masks, _ in self._masks)
                    raise DataError(same_name(self.layout, split, name, (files[id], file), among_masks))
                keys[id] = (number, key)
        if not files:
            raise DataError(no_images(self.layout, split, name))
        return Found(files, keys)

    def _masks_in(self, folder: Path) -> tuple[tuple[str, ...], list[Naming]]:
        """Return the folders of masks below a folder, and how masks are called that lie in it."""
        nested = {
            f"{masks.relative_to(folder).as_posix()}/"
            for masks, _ in self._masks
            if masks != folder and masks.is_relative_to(folder)
        }
        known = [*self._masks, *self._beside]
        among = {naming for masks, naming in known if masks == folder and naming != Naming()}
        return tuple(nested), list(among)

    def _table(self, split: LabeledFiles, name: str, folder: str) -> dict[str, list[str]]:
        """Return the masks of a folder by what they are called after."""
        naming = Naming(split.mask_prefix, split.mask_suffix)
        table: dict[str, list[str]] = defaultdict(list)
        for below, file in self._files(folder, name):
            key = naming.key(below)
            if key is not None:
                table[key].append(file)
        return table

    def _files(self, folder: str, name: str) -> Iterator[tuple[str, str]]:
        """Return each file in a folder of masks: the path below it, and the whole path."""
        path = self.layout.path(folder)
        for below in self.layout.images_in(folder, self.layout.field(name, "masks")):
            yield below, os.path.join(path, below)

    def _only(self, masks: list[str], image: str, split: LabeledFiles, name: str) -> str:
        if image in masks:
            raise DataError(own_mask(self.layout, split, name, image))
        if len(masks) > 1:
            raise DataError(several_masks(self.layout, name, image, masks))
        return masks[0]

    def _require_one_owner(self, masks: Mapping[str, str], found: Found, name: str) -> None:
        owners: dict[str, str] = {}
        for id, mask in masks.items():
            other = owners.setdefault(mask, id)
            if other != id:
                images = (found.files[other], found.files[id])
                raise DataError(shared_mask(self.layout, name, mask, images))

    def _one(self, finder: Finder, name: str, listing: Path) -> str | None:
        meant = finder.find(name)
        if len(meant) > 1:
            raise DataError(
                f"{name} in {listing} means {' or '.join(sorted(meant)[:3])}; write its folder too"
            )
        return meant[0] if meant else None


def _paired(
    keys: Mapping[str, str], masks: Mapping[str, list[str]]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the masks of each image by its id, and those that no image has by what they are called after.

    Args:
        keys: What an image's masks are called after, by its id.
        masks: Masks by what they are called after.
    """
    own = {id: list(masks[key]) for id, key in keys.items() if key in masks}
    used = set(keys.values())
    left = {key: files for key, files in masks.items() if key not in used}
    if not left:
        return own, {}
    alike: dict[str, list[str]] = defaultdict(list)
    for id, key in keys.items():
        alike[plain(key)].append(id)
    unused: dict[str, list[str]] = {}
    for key, files in left.items():
        ids = alike.get(plain(key), [])
        ids = [id for id in ids if keys[id] not in masks] or ids
        if len(ids) == 1:  # if several, which of them is meant is not clear
            own.setdefault(ids[0], []).extend(files)
        else:
            unused[key] = files
    return own, unused


def _by_number(
    keys: Mapping[str, str], own: Mapping[str, list[str]], left: Mapping[str, list[str]]
) -> dict[str, str]:
    """Return the masks, by their keys, of images that have none but for zeros before a number, by id.

    Only where one image and one mask have the number: else which is meant is not clear.
    """
    if not left:
        return {}
    images: dict[str, list[str]] = defaultdict(list)
    masks: dict[str, list[str]] = defaultdict(list)
    for id, key in keys.items():
        images[unpadded(plain(key))].append(id)
    for key in left:
        masks[unpadded(plain(key))].append(key)
    alone = {ids[0]: masks[number] for number, ids in images.items() if len(ids) == 1 and number in masks}
    return {
        id: those[0]
        for id, those in alone.items()
        if id not in own and len(those) == 1 and len(left[those[0]]) == 1
    }


def _form(names: list[str], missing: list[str]) -> str:
    """Say what in a list is no name: a heading, a comment, or another kind of file."""
    form = "; a list has one name a line"
    if names[0].startswith(("[", "{")):
        return f"{form}, and is no JSON"
    if any(name.startswith("#") for name in missing):
        return f"{form}, and no comments: remove the lines that start with #"
    if missing == names[:1] and len(names) > 1:
        return f"{form}, and no heading: if {missing[0]} is one, remove it"
    return ""


def _id_prefix(folder: str) -> str:
    """Return a folder as the start of an id: the way up to it, if there is one, is excluded."""
    pure = PurePath(os.path.normpath(folder))
    parts = [part for part in pure.parts if part not in ("..", pure.anchor)]
    return "".join(f"{part}/" for part in parts)
