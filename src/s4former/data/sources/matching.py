"""What a ``dataset.yaml`` stands for: which images there are, and which mask is whose."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from s4former.config.errors import DataError
from s4former.data.dataset_yaml.schema import DatasetFile, ImageFiles, LabeledFiles
from s4former.data.sources.naming import Naming, Rule, by_lower_case, guess_rule, image_files
from s4former.data.splits.lists import Entry, first_few, read_split


@dataclass(frozen=True)
class Found:
    """Images of a part, in order.

    Attributes:
        files: Path of each image by its id: the path from the data set's folder, without the ending.
        keys: Number of the folder and what the image's mask is called after, by id.
    """

    files: Mapping[str, str] = field(repr=False)
    keys: Mapping[str, tuple[int, str]] = field(repr=False)

    def only(self, ids: Iterable[str]) -> Found:
        """Return some of the images, in the order given."""
        kept = tuple(ids)
        return Found({id: self.files[id] for id in kept}, {id: self.keys[id] for id in kept})


class Matcher:
    """Lists each folder of a data set once, and matches names.

    Args:
        root: Folder of the ``dataset.yaml``.
        file: Its content.
    """

    def __init__(self, root: Path, file: DatasetFile) -> None:
        self.root = root
        self._listed: dict[Path, tuple[str, ...]] = {}
        parts = [part for part in (file.labeled, file.val, file.test) if part is not None]
        self._masks = [
            (self._path(folder), Naming(part.mask_prefix, part.mask_suffix))
            for part in parts
            for folder in part.masks
        ]

    def images(self, part: ImageFiles, name: str) -> Found:
        """Return the images of a part's folders; masks that lie among them are left out.

        Raises:
            DataError: If a folder is missing, or two images of it differ only in their ending.
        """
        naming = Naming(part.image_prefix, part.image_suffix)
        files: dict[str, str] = {}
        keys: dict[str, tuple[int, str]] = {}
        for number, folder in enumerate(part.images):
            path = self._path(folder)
            prefix = _id_prefix(folder)
            nested, among = self._masks_in(path)
            for name_below in self._names(path, f"{name}.images"):
                key = naming.key(name_below)
                if key is None or name_below.startswith(nested):
                    continue
                if any(mask.key(name_below) is not None for mask in among):
                    continue
                id, file = prefix + os.path.splitext(name_below)[0], os.path.join(path, name_below)
                if files.setdefault(id, file) != file:
                    raise DataError(self._twice(files[id], file, part, name))
                keys[id] = (number, key)
        if not files:
            raise DataError(self._no_images(part, name))
        return Found(files, keys)

    def masks(self, part: LabeledFiles, found: Found, name: str) -> dict[str, str]:
        """Return the mask of each image that has one, by the image's id.

        Raises:
            DataError: If a folder is missing, no mask belongs to an image, or two belong to one.
        """
        masks: dict[str, str] = {}
        naming = Naming(part.mask_prefix, part.mask_suffix)
        tables = [self._table(folder, naming, f"{name}.masks") for folder in part.masks]
        folded = [by_lower_case(table) for table in tables]
        for id, (number, key) in found.keys.items():
            place = number if len(tables) > 1 else 0
            table = tables[place]
            own = key if key in table else folded[place].get(key.casefold())
            if own is None or own not in table:
                continue
            if len(table[own]) > 1:
                raise DataError(
                    f"{found.files[id]} has two masks, {' and '.join(table[own])}; remove one, or write "
                    f"{name}.mask_suffix: {os.path.splitext(table[own][0])[1]} to take only these"
                )
            if table[own][0] == found.files[id]:
                raise DataError(
                    f"{found.files[id]} would be its own mask, as {name}.images and {name}.masks are one "
                    f"folder; {_advice(self._rule(part))}"
                )
            masks[id] = table[own][0]
        if not masks:
            raise DataError(self._no_match(part, found, name))
        return masks

    def listed(self, split: Path, found: Found) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the ids that a list names, and the masks that it names by id.

        A line may leave out leading folders, or start further up, as long as it means one image.

        Raises:
            DataError: If a line means no image or several.
        """
        entries = read_split(split)
        ends = _Ends(found)
        ids: dict[str, None] = {}
        masks: dict[str, str] = {}
        missing = []
        for entry in entries:
            meant = ends.find(entry.image)
            if len(meant) > 1:
                raise DataError(
                    f"{entry.image} in {split} means {' or '.join(sorted(meant)[:3])}; write its folder too"
                )
            if not meant:
                missing.append(entry.image)
                continue
            ids[meant[0]] = None
            if entry.mask is not None:
                masks[meant[0]] = self._listed_mask(entry, split)
        if missing:
            raise DataError(
                f"{len(missing)} of {len(entries)} images of the list {split} are not among the "
                f"{len(found.files)} images of their folders: {first_few(missing)}; expected names such as "
                f"{next(iter(found.files))}"
            )
        return tuple(ids), masks

    def unused_masks(self, part: LabeledFiles, masks: Mapping[str, str]) -> list[str]:
        """Return the mask files that no image has."""
        naming = Naming(part.mask_prefix, part.mask_suffix)
        used = set(masks.values())
        return [
            file
            for folder in part.masks
            for files in self._table(folder, naming, "masks").values()
            for file in files
            if file not in used
        ]

    def _path(self, folder: str) -> Path:
        return Path(os.path.normpath(self.root / folder))

    def _names(self, path: Path, option: str) -> tuple[str, ...]:
        if path not in self._listed:
            if not path.is_dir():
                missing = f"{path} is a file, not a folder" if path.exists() else f"there is no folder {path}"
                raise DataError(
                    f"{missing}; change {option} (paths start from the folder of the data set's file)"
                )
            self._listed[path] = tuple(image_files(path))
        return self._listed[path]

    def _masks_in(self, folder: Path) -> tuple[tuple[str, ...], list[Naming]]:
        """Return the folders of masks below a folder, and how masks are called that lie in it."""
        nested = {
            f"{masks.relative_to(folder).as_posix()}/"
            for masks, _ in self._masks
            if masks != folder and masks.is_relative_to(folder)
        }
        among = {naming for masks, naming in self._masks if masks == folder and naming != Naming()}
        return tuple(nested), list(among)

    def _table(self, folder: str, naming: Naming, option: str) -> dict[str, list[str]]:
        path = self._path(folder)
        table: dict[str, list[str]] = {}
        for name in self._names(path, option):
            key = naming.key(name)
            if key is not None:
                table.setdefault(key, []).append(str(path / name))
        return table

    def _listed_mask(self, entry: Entry, split: Path) -> str:
        for folder in {masks for masks, _ in self._masks}:
            for name in self._names(folder, "masks"):
                stem = (folder / os.path.splitext(name)[0]).as_posix()
                if f"/{stem}".endswith(f"/{entry.mask}"):
                    return str(folder / name)
        raise DataError(f"the mask {entry.mask} of the list {split} is in none of the folders of masks")

    def _no_images(self, part: ImageFiles, name: str) -> str:
        folders = ", ".join(str(self._path(folder)) for folder in part.images)
        names = [file for folder in part.images for file in self._names(self._path(folder), name)]
        if not names:
            return (
                f"there is no image in {folders}; expected JPEG, PNG, TIFF, WebP or BMP files ({name}.images)"
            )
        rule = f"{part.image_prefix}...{part.image_suffix}"
        return (
            f"none of the {len(names)} files in {folders} is an image of {name}: their names, such as "
            f"{names[0]}, do not fit {rule} ({name}.image_prefix, {name}.image_suffix), or they are masks"
        )

    def _twice(self, one: str, other: str, part: ImageFiles, name: str) -> str:
        text = f"{one} and {other} differ in nothing but the ending"
        among_masks = any(Path(one).is_relative_to(masks) for masks, _ in self._masks)
        if isinstance(part, LabeledFiles) and among_masks:
            return f"{text}; if one is the mask of the other, {_advice(self._rule(part))}"
        ending = os.path.splitext(one)[1]
        return f"{text}; remove one, or write {name}.image_suffix: {ending} to take only these"

    def _no_match(self, part: LabeledFiles, found: Found, name: str) -> str:
        images, masks = self._all(part.images), self._all(part.masks)
        folders = ", ".join(str(self._path(folder)) for folder in part.masks)
        if not masks:
            return f"there is no mask in {folders}; expected PNG, TIFF or BMP files ({name}.masks)"
        rule = self._rule(part)
        flat_images, flat_masks = ([PurePath(file).name for file in files] for files in (images, masks))
        hint = _advice(rule)
        if rule is None and guess_rule(flat_images, flat_masks):
            hint = "their subfolders differ: give masks the subfolders of their images"
        return (
            f"none of {len(masks)} masks in {folders} belongs to one of {len(found.files)} images: masks are "
            f"called {first_few(masks, 2)}, images {first_few(images, 2)}; {hint}"
        )

    def _rule(self, part: LabeledFiles) -> Rule | None:
        one_folder = not {*map(self._path, part.images)}.isdisjoint(map(self._path, part.masks))
        return guess_rule(self._all(part.images), self._all(part.masks), one_folder)

    def _all(self, folders: Iterable[str]) -> list[str]:
        return [file for folder in folders for file in self._names(self._path(folder), "masks")]


def _advice(rule: Rule | None) -> str:
    if rule and str(rule):
        return f"their names suggest: {rule}"
    return (
        "write what their names start or end with as mask_prefix, mask_suffix, image_prefix or image_suffix"
    )


class _Ends:
    """Finds ids by what lists call them."""

    def __init__(self, found: Found) -> None:
        self._ids = found.files
        self._by_name: dict[str, set[str]] = {}
        for id, (_, key) in found.keys.items():
            for name in (id, key):
                self._by_name.setdefault(name.rpartition("/")[2], set()).add(id)
        self._keys = found.keys

    def find(self, name: str) -> list[str]:
        if name in self._ids:
            return [name]
        near = self._by_name.get(name.rpartition("/")[2], set())
        while near and name:
            meant = [id for id in near if any(_ends_with(own, name) for own in (id, self._keys[id][1]))]
            if meant:
                return meant
            name = name.partition("/")[2]
        return []


def _ends_with(path: str, end: str) -> bool:
    return f"/{path}".endswith(f"/{end}")


def _id_prefix(folder: str) -> str:
    """Return a folder as the start of an id: the way up to it, if there is one, is left out."""
    pure = PurePath(os.path.normpath(folder))
    parts = [part for part in pure.parts if part != ".." and part != pure.anchor]
    return "".join(f"{part}/" for part in parts)
