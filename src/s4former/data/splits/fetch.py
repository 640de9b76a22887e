"""Gets published split lists from their publishers, each checked before it is put in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from s4former.config.errors import DataError
from s4former.config.record import write_text
from s4former.data.prepare.download import digest, download
from s4former.data.progress import Report, silent
from s4former.data.splits.lists import read_split
from s4former.data.splits.published import PublishedList, Publisher


@dataclass(frozen=True)
class Fetched:
    """A list that is in its place.

    Attributes:
        list: The list.
        path: Where it lies.
        new: Whether it was not there before.
    """

    list: PublishedList
    path: Path
    new: bool


def fetch_splits(
    publisher: Publisher, root: Path, address: str | None = None, report: Report = silent, pause: float = 1.0
) -> tuple[list[Fetched], list[str]]:
    """Get all lists of a publisher that are not there yet.

    Args:
        publisher: Whose.
        root: Folder of all data; a list goes into its data set's folder there.
        address: What the lists' paths start from; None: the publisher's own address.
        report: Hears how many lists there are.
        pause: See `download`.

    Returns:
        The lists in their places, and what went wrong with others, in sentences.
    """
    fetched, problems = [], []
    for number, each in enumerate(publisher.lists):
        path = root / each.target
        try:
            new = not path.exists()
            if new:
                _fetch_one(each, path, f"{(address or publisher.address).rstrip('/')}/{each.source}", pause)
            else:
                _check(each, path)
        except DataError as error:
            problems.append(str(error))
        else:
            fetched.append(Fetched(each, path, new))
        report("fetching lists", number + 1, len(publisher.lists))
    return fetched, problems


def unverified(fetched: Sequence[Fetched]) -> list[Path]:
    """Return the lists whose checksum is not known: the number of their images fits, no more is certain."""
    return [one.path for one in fetched if one.list.sha256 is None]


def _fetch_one(each: PublishedList, path: Path, url: str, pause: float) -> None:
    with TemporaryDirectory() as folder:
        checksum = None if each.sha256 is None else f"sha256:{each.sha256}"
        file = download(url, Path(folder) / path.name, checksum, pause=pause)
        _check(each, file)
        write_text(path, file.read_text(encoding="utf-8"))


def _check(each: PublishedList, path: Path) -> None:
    if each.sha256 is not None and digest(path, "sha256") != f"sha256:{each.sha256}":
        raise DataError(
            f"{path} is not the published {each.source}: its checksum differs; move it away and fetch again"
        )
    images = len(read_split(path))
    if images != each.images:
        raise DataError(f"{path} names {images:,} images; the published {each.source} names {each.images:,}")
