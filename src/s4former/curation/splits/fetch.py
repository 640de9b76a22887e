"""Puts published split lists in their places, from the package or their publishers, each checked before.

Those of the S4Former release come with the package, or are computed from those that do. A checkout holds them
in ``data/``, where the release's README has them too; a wheel beside this file. Lists of unlabeled images are
what remains of all training images, so most of them need not be stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from s4former.config.errors import DataError
from s4former.config.record import write_text
from s4former.curation.download import download
from s4former.data.progress import Report, silent
from s4former.data.published_lists import CITYSCAPES, PUBLISHERS, VOC, PublishedList, Publisher, checksum
from s4former.data.split_lists import read_split, split_lines

_VOC_IMAGES = f"{VOC}/datasplits/voc_split_CPS/all_train_unsupervised.txt"
_WHOLE = {
    "voc_split_U2PL": _VOC_IMAGES,
    "voc_split_CPS": _VOC_IMAGES,
    # Without 186 images, which are labeled in the larger split as well.
    "city_splits_CPS": f"{CITYSCAPES}/datasplits/city_splits_CPS/186_train_unsupervised.txt",
}
"""By folder, the list that others are what remains of."""
_INSTEAD = "type --from ADDRESS with that of a copy of the publisher's repository"


def shipped_list(target: str) -> list[str]:
    """Return the lines of a list of the release.

    Labeled lists, and unlabeled ones of the ``CPS`` splits, are the released ones line by line. Unlabeled
    ones of ``voc_split_U2PL`` name the same images in another order.

    Args:
        target: Its path below the root of all data, see `PublishedList`.
    """
    whole = _WHOLE[PurePosixPath(target).parent.name]
    if target == whole or "_supervised" in target:
        return split_lines(_home() / target)
    labeled = set(shipped_list(target.replace("_unsupervised", "_supervised")))
    return [image for image in shipped_list(whole) if image not in labeled]


def shipped_lists(folder: str) -> list[str]:
    """Return the lists of a data set, by its folder below the root of all data; none of most data sets."""
    return [each.target for each in PUBLISHERS["s4former"].lists if each.target.startswith(f"{folder}/")]


def write_shipped(root: Path, target: str) -> None:
    """Write a list of the release into its place below the root of all data."""
    write_text(root / target, "\n".join(shipped_list(target)))


def _home() -> Path:
    installed = Path(__file__).with_name("shipped")
    return installed if installed.is_dir() else Path(__file__).parents[4] / "data"


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
    """Put all lists of a publisher that are not there yet in their places.

    Args:
        publisher: Whose.
        root: Folder of all data; a list goes into its data set's folder there.
        address: What the lists' paths start from; None: the publisher's own address, or the package.
        report: Hears how many lists there are.
        pause: See `download`.

    Returns:
        The lists in their places, and what went wrong with others, in sentences.
    """
    fetched, problems = [], []
    base = publisher.address if address is None else address.rstrip("/")
    for number, each in enumerate(publisher.lists):
        path = root / each.target
        try:
            new = not path.exists()
            if new and base is None:
                write_shipped(root, each.target)
            elif new:
                _fetch_one(each, path, f"{base}/{each.source}", pause)
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
        file = download(url, Path(folder) / path.name, pause=pause, instead=_INSTEAD)
        _check(each, file)
        write_text(path, file.read_text(encoding="utf-8"))


def _check(each: PublishedList, path: Path) -> None:
    images = len(read_split(path))
    if images != each.images:
        raise DataError(f"{path} names {images:,} images; the published {each.source} names {each.images:,}")
    if each.sha256 is not None and checksum(split_lines(path)) != each.sha256:
        raise DataError(
            f"{path} names other images than the published {each.source}; move it away and fetch again"
        )
