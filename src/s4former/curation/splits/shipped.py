"""The split lists of the S4Former release, which come with the package or are computed from those that do.

A checkout holds them in ``data/``, where the release's README has them too; a wheel beside this file. Lists
of unlabeled images are what remains of all training images, so most of them need not be stored.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from s4former.config.record import write_text
from s4former.data.published_lists import CITYSCAPES, PUBLISHERS, VOC
from s4former.data.split_lists import split_lines

_VOC_IMAGES = f"{VOC}/datasplits/voc_split_CPS/all_train_unsupervised.txt"
_WHOLE = {
    "voc_split_U2PL": _VOC_IMAGES,
    "voc_split_CPS": _VOC_IMAGES,
    # Without 186 images, which are labeled in the larger split as well.
    "city_splits_CPS": f"{CITYSCAPES}/datasplits/city_splits_CPS/186_train_unsupervised.txt",
}
"""By folder, the list that others are what remains of."""


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
