"""What a data set is made of, whether a ``dataset.yaml`` says it or the ``data`` fields of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from s4former.config.errors import DataError
from s4former.data.classes import Classes, read_classes
from s4former.data.config import DataConfig
from s4former.data.dataset_yaml import (
    ClassEntry,
    DatasetFile,
    ImageFiles,
    LabeledFiles,
    UnlabeledFiles,
    read_dataset_file,
)
from s4former.data.sources.known import KNOWN
from s4former.data.sources.listing import image_files

_AFFIXES = ("image_prefix", "image_suffix", "mask_prefix", "mask_suffix")


@dataclass(frozen=True)
class Layout:
    """The folders, lists and classes of a data set, and what their fields are called by who wrote them.

    Attributes:
        config: Where the data set is, and listing lists that replace its own.
        file: Its folders and lists, as a ``dataset.yaml`` has them.
        classes: Its classes.
        said_in: Where a person said so: a ``dataset.yaml``, the fields of a run, or options of ``init``.
    """

    config: DataConfig
    file: DatasetFile
    classes: Classes
    said_in: Literal["yaml", "run", "init"]

    @property
    def root(self) -> Path:
        """The folder that all paths start from."""
        return Path(self.config.root)

    def path(self, folder: str) -> Path:
        """Return where a folder or a list is."""
        return Path(os.path.normpath(self.root / folder))

    def images_in(self, folder: str, field: str) -> list[str]:
        """Return the image files below a folder by their paths in it; it is listed once.

        Predictions of this package are images of no split, and masks only in a folder of their own.

        Raises:
            DataError: If there is no such folder; the message names the field that has it.
        """
        path = self.path(folder)
        if not path.is_dir():
            missing = f"{path} is a file, not a folder" if path.exists() else f"there is no folder {path}"
            start = {"yaml": "the folder of the data set's file", "run": "data.root"}.get(self.said_in)
            how = f" (paths start from {start})" if start else ""
            raise DataError(f"{missing}; change {field}{how}{_spelling(folder)}")
        splits = (self.file.unlabeled, *map(self.file.split, ("labeled", "val", "test")))
        shared = {self.path(images) for split in splits if split for images in split.images}
        return list(image_files(path, pictures=path not in shared))

    def names(self, split: ImageFiles, name: str, kind: str) -> list[str]:
        """Return the files in all folders of a split's images or masks, by their paths in them."""
        field = self.field(name, kind)
        return [file for folder in getattr(split, kind) for file in self.images_in(folder, field)]

    def field(self, split: str, name: str) -> str:
        """Return what says something of a split, as ``val.masks``, ``data.val_masks`` or ``--masks``."""
        if name == "list" and getattr(self.config, f"{split}_split"):
            return f"data.{split}_split"
        if name == "shards" and self.config.unlabeled_shards:
            return "data.unlabeled_shards"
        if self.said_in == "init":
            return "IMAGES" if name == "images" else f"--{name.replace('_', '-')}"
        if self.said_in == "yaml":
            return f"{self._said_of(split) if name != 'list' else split}.{name}"
        if name in _AFFIXES:
            return f"data.{name}"
        return f"data.{'train' if split in ('labeled', 'unlabeled') else split}_{name}"

    def _said_of(self, split: str) -> str:
        """Return the split whose fields hold for one: held-out images of a list are those of ``labeled``."""
        own, labeled = self.file.split(split) if split in ("val", "test") else None, self.file.labeled
        taken = own and (own.images, own.masks, own.annotations)
        return "labeled" if taken == (labeled.images, labeled.masks, labeled.annotations) else split

    def setting(self, split: str, name: str, value: str) -> str:
        """Return what to write to give a field a value."""
        return self.settings(split, {name: value})

    def settings(self, split: str, values: Mapping[str, str]) -> str:
        """Return what to write to give fields of a split their values; nothing if there are none."""
        if self.said_in == "yaml" and values:
            lines = ", ".join(f"{name}: {value}" for name, value in values.items())
            return f"{lines} (below {split}:)"
        between = "=" if self.said_in == "run" else " "
        return " ".join(f"{self.field(split, name)}{between}{value}" for name, value in values.items())


def _spelling(folder: str) -> str:
    """Say what in the spelling of a path that is not there may be wrong."""
    if "\\" in folder:
        return f"; write / in place of \\, as {folder.replace(chr(92), '/')}"
    return "; ~ stands for no folder here, write the whole path" if folder.startswith("~") else ""


def read_layout(config: DataConfig, described: DatasetFile | None = None) -> Layout:
    """Return the layout that a config describes; no image is looked for.

    Args:
        config: The config.
        described: What the config's ``dataset.yaml`` says, if it was read already.

    Raises:
        DataError: If there is no such data set, or what says its classes or folders does not make sense.
    """
    root = Path(config.root)
    if config.source == "dataset":
        file = described or read_dataset_file(root / config.dataset)
        return Layout(config, _with_lists(file, config), file.classes, "yaml")
    if not root.is_dir():
        known = next((name for name in (config.classes, root.name) if name in KNOWN), None)
        bring = f", or type `s4former prepare {known}`" if known else ""
        raise DataError(
            f"there is no folder {root.absolute()}; set data.root to the data set's folder{bring}"
        )
    classes = KNOWN.get(config.classes) or read_classes(root / config.classes)
    return Layout(config, _with_lists(_from_fields(config, classes), config), classes, "run")


def _from_fields(config: DataConfig, classes: Classes) -> DatasetFile:
    """Return the ``dataset.yaml`` that says what the fields of a run say."""
    affixes = {name: getattr(config, name) for name in _AFFIXES}

    def split(images: str, masks: str) -> LabeledFiles:
        return LabeledFiles.model_validate({"images": images, "masks": masks, **affixes})

    labeled = split(config.train_images, config.train_masks)
    no_test = config.test_images is None or not (Path(config.root) / config.test_images).is_dir()
    return DatasetFile(
        names=tuple(ClassEntry(name=name) for name in classes.names),
        labeled=labeled,
        unlabeled=_images_of(labeled),
        val=None if config.val_images is None else split(config.val_images, config.val_masks),
        test=None if no_test else split(str(config.test_images), config.test_masks),
        channels=config.channels,
    )


def _with_lists(file: DatasetFile, config: DataConfig) -> DatasetFile:
    """Return a description whose lists are those of a run, where it has some.

    A list of a split that has no folders names images of the labeled ones.
    """
    splits: dict[str, ImageFiles | None] = {name: file.split(name) for name in ("labeled", "val", "test")}
    splits["unlabeled"] = file.unlabeled
    if config.unlabeled_shards:
        if config.unlabeled_split:
            raise DataError(
                "data.unlabeled_split names files, but data.unlabeled_shards says that the images are "
                "in shards; set one of them to null"
            )
        affixes = {name: getattr(file.unlabeled or file.labeled, name) for name in _AFFIXES[:2]}
        splits["unlabeled"] = UnlabeledFiles(shards=config.unlabeled_shards, **affixes)
    for name, split in splits.items():
        listing = getattr(config, f"{name}_split") or (split.list if split else None)
        if listing:
            own = split if split and split.images else file.labeled
            splits[name] = (_images_of(own) if name == "unlabeled" else own).model_copy(
                update={"list": listing}
            )
        elif split and not split.images and not getattr(split, "shards", ()):
            splits[name] = None
    return file.model_copy(update=splits)


def _images_of(split: ImageFiles) -> UnlabeledFiles:
    return UnlabeledFiles(**split.model_dump(include={"images", "image_prefix", "image_suffix"}))
