"""Which split lists were published, where they are, what they name, and their checksums.

``published_lists.csv`` is the table, one list a row.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

VOC, CITYSCAPES = "VOCdevkit/VOC2012", "cityscapes"
"""Folders of the data sets that the package has lists of, below the root of all data."""


@dataclass(frozen=True)
class PublishedList:
    """One list.

    Attributes:
        source: Its path below the publisher's address.
        target: Where it goes below the root of all data: where the recipes look.
        images: How many images it names.
        sha256: Checksum of its lines in alphabetical order, see `checksum`; None: not known to us, the number
            of images is all that is checked.
    """

    source: str
    target: str
    images: int
    sha256: str | None


@dataclass(frozen=True)
class Publisher:
    """Lists of one publisher.

    Attributes:
        address: What the paths of its lists start from; names a commit, whose files cannot change. None: they
            come with the package.
        lists: The lists.
    """

    address: str | None
    lists: tuple[PublishedList, ...]


def checksum(lines: Iterable[str]) -> str:
    """Return the sha256 of lines in alphabetical order: a split is which images it names, in any order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _lists(publisher: str) -> tuple[PublishedList, ...]:
    with Path(__file__).with_suffix(".csv").open(encoding="ascii", newline="") as table:
        return tuple(
            PublishedList(row["source"], row["target"], int(row["images"]), row["sha256"] or None)
            for row in csv.DictReader(table)
            if row["publisher"] == publisher
        )


_GITHUB = "https://raw.githubusercontent.com/LiheYoung"
_ADDRESSES = {
    # The release's own 5291_train_unsupervised.txt is 5291_train_supervised.txt once more; ours names the
    # other half, as all its other pairs do.
    "s4former": None,
    "unimatch": f"{_GITHUB}/UniMatch/0324f3dd4a22128105a5eb135d2586c0bb3cc647",
    "unimatch_v2": f"{_GITHUB}/UniMatch-V2/66d517c30ccec7ed157147148e687127686adf87",
}
PUBLISHERS: Mapping[str, Publisher] = MappingProxyType(
    {name: Publisher(address, _lists(name)) for name, address in _ADDRESSES.items()}
)
"""The publishers by name."""
