"""What a run says of the data that its model learned from, and which image gets whose mask."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from s4former.config.errors import DataError, UserError
from s4former.config.outputs import Ledgers
from s4former.config.record import read_json
from s4former.config.validation import validated
from s4former.curation.sources import open_source
from s4former.data.config import DataConfig
from s4former.data.sources import Source
from s4former.data.sources.base import SPLITS
from s4former.data.sources.folder import FolderSource
from s4former.data.split_lists import require_lines

MASKS, HUMAN = "masks", "human"
"""Folders for the masks of the images that were given, and of labeled images that lie elsewhere."""


def origin(model: Path) -> Source | None:
    """Return the data set that a run learned from; None of a model folder, which knows of none.

    Raises:
        DataError: If the data set is not there as it was.
    """
    record = model / "run.json"
    if not record.is_file():
        return None
    content = read_json(record)
    data = validated(DataConfig, content["run"]["data"], f"{record} does not fit this version of s4former")
    try:
        return open_source(data.found_from(content["working_directory"]))
    except DataError as error:
        raise DataError(
            f"the data set of the run {model} cannot be opened: {error}\nTo do without it, and so without "
            f"your masks, give the model alone: {model / 'model'}"
        ) from None


@dataclass(frozen=True)
class Item:
    """An image, and whose mask it gets.

    Attributes:
        image: Its file.
        root: The folder that it was found in.
        mask: Where its mask goes, below the output folder.
        id: The labeled image that it is; none: it has no mask.
        kept: Whether a mask that a person drew or changed lies in the place of its own, and stays.
    """

    image: Path
    root: Path
    mask: Path
    id: str | None = None
    kept: bool = False

    @property
    def human(self) -> bool:
        """Whether its mask is a person's."""
        return self.kept or self.id is not None


def whose(
    images: Iterable[tuple[str, Path]], source: Source | None, out: Path
) -> tuple[list[Item], tuple[int, int]]:
    """Return whose mask each image gets: a person's wherever there is one.

    Labeled images of the run come along if they are not among the given ones. Images to validate or test on
    are left out, and so are mask files.

    Args:
        images: Place and file of each image, see `find_images`.
        source: The run's data set, if it is known.
        out: The output folder.

    Returns:
        The items, and how many images and masks were left out.

    Raises:
        UserError: If nothing is left.
        DataError: If a list could not hold the name of an image.
    """
    folder = source if isinstance(source, FolderSource) else None
    images = list(images)
    require_lines(f"{stem}{file.suffix}" for stem, file in images)
    known, masks = _known(folder) if folder else ({}, set())
    ledgers, items, left_out = Ledgers(), list[Item](), [0, 0]
    for stem, file in images:
        real = _real(file)
        split, id = known.pop(real, ("", None))
        if split in ("val", "test") or real in masks:
            left_out[split == ""] += 1
            continue
        mask = Path(MASKS, f"{stem}.png")
        labeled = id if split == "labeled" else None
        kept = labeled is None and (out / mask).is_file() and not ledgers.wrote(out / mask)
        items.append(Item(file, file.parents[stem.count("/")], mask, labeled, kept))
    if not items:
        raise UserError("all of these images are held out by the run, for val or test; give others")
    roots = {item.root.resolve() for item in items}
    for file, (split, id) in known.items() if folder else ():
        if split == "labeled" and folder:
            root = _root(folder, file)
            where = MASKS if root.resolve() in roots else HUMAN
            below = file.relative_to(root.resolve()).with_suffix(".png")
            items.append(Item(file, root, Path(where, below), id))
    return items, (left_out[0], left_out[1])


def _known(source: FolderSource) -> tuple[dict[Path, tuple[str, str]], set[Path]]:
    """Return the split and the id of each image of a source by its file, and its mask files."""
    # An image of two lists is what the last of them says: one with a person's mask is never unlabeled.
    order = sorted(SPLITS, key=lambda split: split != "unlabeled")
    images = {
        _real(source.image_file(id, split)): (str(split), id)
        for split in order
        for id in source.splits[split].images
    }
    masks = {_real(Path(mask)) for split in source.splits.values() for mask in split.masks.values()}
    return images, masks


def _real(file: Path) -> Path:
    """Return where a file lies; unlike `Path.resolve` it has an answer for links that go round in circles."""
    return Path(os.path.realpath(file))


def _root(source: FolderSource, file: Path) -> Path:
    """Return the folder of labeled images that holds an image."""
    folders = [source.layout.path(folder) for folder in source.layout.file.labeled.images]
    return next(folder for folder in folders if file.is_relative_to(folder.resolve()))
