"""What a source of images is: four lists of ids, and how to read an image or a mask by id."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from jaxtyping import UInt8

from s4former.config.errors import DataError
from s4former.data.ahead import read_ahead
from s4former.data.classes import Classes
from s4former.data.split_lists import write_split

Split = Literal["labeled", "unlabeled", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Image = UInt8[np.ndarray, "h w c"]  # mostly RGB
LabelImage = UInt8[np.ndarray, "h w"]


class Source(Protocol):
    """A data set. Ids are unique within a split; an id of one split need not be known in another.

    Reading is pure (the same id gives the same pixels, in any process), a source can be pickled, and it
    never opens the mask of an unlabeled image.
    """

    @property
    def classes(self) -> Classes:
        """The classes of the masks."""

    @property
    def labeled(self) -> tuple[str, ...]:
        """Ids of the training images whose masks may be used, at least one."""

    @property
    def unlabeled(self) -> Sequence[str]:
        """Ids of the training images without masks, possibly none."""

    @property
    def val(self) -> tuple[str, ...]:
        """Ids of the images to validate on."""

    @property
    def test(self) -> tuple[str, ...]:
        """Ids of the images to test on, possibly none."""

    def read_image(self, id: str, split: Split) -> Image:
        """Return an image with the channels that the config asks for.

        Raises:
            DataError: If it cannot be read; the message names the file.
        """

    def read_mask(self, id: str, split: Split) -> LabelImage:
        """Return the mask of an image, of the same height and width: class indices or `IGNORE`.

        Raises:
            DataError: If it cannot be read or holds an unknown value; the message names the file.
            ValueError: If ``split`` is ``"unlabeled"``: those masks are never opened.
        """

    def fingerprint(self) -> str:
        """Return a short text that changes when the data set does, the same on every machine."""


def split_ids(source: Source, split: Split) -> Sequence[str]:
    """Return the ids of one split of a source."""
    ids: Sequence[str] = getattr(source, split)
    return ids


def short_names(ids: Sequence[str]) -> dict[str, str]:
    """Return ids without the folders that all of them share, as names for files that belong to one split."""
    folders = {posixpath.dirname(id) for id in ids}
    shared = posixpath.commonpath(folders) if len(folders) > 1 else next(iter(folders), "")
    return {id: id[len(f"{shared}/") :] if shared else id for id in ids}


def write_splits(source: Source, folder: Path) -> None:
    """Write the ids of each split that has any into ``folder``, as in ``labeled.txt``."""
    for split in SPLITS:
        if split_ids(source, split):
            write_split(folder / f"{split}.txt", split_ids(source, split))


def evaluation_pairs(
    source: Source, split: Split, rank: int = 0, world_size: int = 1, threads: int = 0
) -> Iterator[tuple[str, Image, LabelImage]]:
    """Return (id, image, mask) of each image of a split, one after the other.

    Args:
        source: The images and masks.
        split: Which of them.
        rank: Which share of the split; the shares, one after the other, are the split.
        world_size: Number of shares.
        threads: How many read ahead; 0: each is read when it is asked for.

    Raises:
        DataError: At once if the split is empty; while reading if a file is bad.
    """
    ids = split_ids(source, split)
    if not ids:
        raise DataError(
            f"there are no {split} images; set data.{split}_images to a folder that has some, or add {split} "
            "to the data set's file"
        )

    def read(id: str) -> tuple[str, Image, LabelImage]:
        image, mask = source.read_image(id, split), source.read_mask(id, split)
        require_same_size(image, mask, id, split)
        return id, image, mask

    own = ids[evaluation_share(len(ids), rank, world_size)]
    return read_ahead(read, own, threads, lambda pair: pair[1].nbytes) if threads else map(read, own)


def evaluation_share(count: int, rank: int, world_size: int) -> slice:
    """Return which of ``count`` images are a process's to score; the first has some if there are any."""
    first, end = (-(-count * number // world_size) for number in (rank, rank + 1))
    return slice(first, end)


def require_same_size(image: Image, mask: UInt8[np.ndarray, "mask_h mask_w"], id: str, split: Split) -> None:
    """Check that a mask fits its image.

    Raises:
        DataError: If not; the message names the image.
    """
    if image.shape[:2] != mask.shape:
        raise DataError(
            f"the {split} image {id} has {image.shape[0]} x {image.shape[1]} pixels (height x width) but its "
            f"mask {mask.shape[0]} x {mask.shape[1]}; they must be equal once EXIF rotation is applied"
        )
