"""Chooses the labeled images to validate on, so that no class is lost to training."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from s4former.config.errors import DataError, UserError
from s4former.data.progress import Report
from s4former.data.sources.labels import LabelMap
from s4former.inference.config import FEW_IMAGES
from s4former.types import IGNORE

Shown = Mapping[str, frozenset[int]]
"""Which classes an image shows, by its id."""
MANY = 500
"""Above so many images, masks are read until it is sure that no class is lost, and no further."""


def classes_shown(masks: Mapping[str, str], label_map: LabelMap, first: int, report: Report) -> Shown:
    """Return the classes that images show; nothing of a mask that cannot be read.

    Of many images, those are looked at that might be held out, and as many others as it takes until each
    class of the former is in one of the latter: no other is then held out.

    Args:
        masks: Masks by image.
        label_map: Turns them into classes.
        first: How many of many might be held out.
        report: Called with how far it is.
    """
    shown: dict[str, frozenset[int]] = {}
    ranked, missing = _ranked([*masks]), set[int]()
    for number, id in enumerate(ranked, 1):
        if len(masks) > MANY and number > first and not missing:
            break
        report("looking for classes", number, len(masks))
        try:
            found = np.unique(label_map.read(Path(masks[id]))).tolist()
        except DataError:  # `check` and training name it
            found = []
        shown[id] = frozenset(found) - {IGNORE}
        missing = missing | shown[id] if number <= first else missing - shown[id]
    return shown


def choose_val(
    ids: Sequence[str], shown: Shown, share: float | None, folds: int, said: list[str]
) -> list[tuple[str, ...]]:
    """Return the images to hold out, for each data set that is to be written; none if there are none.

    Args:
        ids: The labeled images.
        shown: Their classes.
        share: Which share of them; none: a fifth if there are at least ten, else nothing.
        folds: How many data sets that hold out other images each; 0: one.
        said: Gets what was decided, one sentence each.

    Raises:
        UserError: If the share is none, or there are too few images.
    """
    if folds:
        return _folds(ids, shown, folds, said)
    chosen = _one(ids, shown, share, said)
    return [chosen] if chosen else []


def _one(ids: Sequence[str], shown: Shown, share: float | None, said: list[str]) -> tuple[str, ...]:
    if share is None and len(ids) < FEW_IMAGES:
        said.append(
            f"no validation images, as {_labeled(len(ids))} few"
            + ("; --val 0.2 holds out some" if len(ids) > 1 else "")
            + _folds_offered(ids, shown, 3)
        )
        return ()
    if not 0 <= (share or 0) < 1:
        raise UserError(f"--val {share:g}: expected a share from 0 to below 1, or a folder")
    count = share_count(len(ids), share)
    looked_at = [id for id in ids if id in shown]  # nobody knows what is lost with another one
    chosen = hold_out(looked_at, shown, count, max(count, len(ids) // 3) if count else 0)
    if chosen:
        said.append(
            f"{len(chosen)} of {len(ids)} labeled images are held out to validate on; they are listed by "
            "name, so that the choice stays when images are added: edit the list to change it"
        )
    elif share != 0:
        said.append(
            "no validation images: each labeled image is the only one of a class, and needed to learn from"
            if len(ids) > 1
            else "no validation images: the only labeled image is needed to learn from"
        )
    if chosen and len(chosen) < FEW_IMAGES:
        images = "1 image" if len(chosen) == 1 else f"{len(chosen)} images"
        said.append(f"a score of {images} says little{_folds_offered(ids, shown, 5)}")
    return chosen


def share_count(images: int, share: float | None) -> int:
    """Return how many of so many images a share is; none: a fifth."""
    return min(math.ceil((0.2 if share is None else share) * images), images - 1)


def _folds(ids: Sequence[str], shown: Shown, count: int, said: list[str]) -> list[tuple[str, ...]]:
    found = fold(ids, shown, count)
    if count < 2 or len(found) < count:
        raise UserError(
            f"--folds {count}: expected {'2' if most == 2 else f'2 to {most}'} for {len(ids)} labeled images"
            if (most := _most_folds(ids, shown, max(count, 2))) > 1
            else f"--folds {count}: these {len(ids)} labeled images are too few to hold any out"
        )
    said.append(
        f"{count} data sets, each of which holds out other labeled images to validate on: train them one by "
        "one, and take the mean of their scores"
    )
    left = len(ids) - sum(map(len, found))
    if left:
        said.append(
            f"{left} labeled images are held out by none of them, as a class would be lost to training"
        )
    return found


def _most_folds(ids: Sequence[str], shown: Shown, count: int) -> int:
    """Return how many data sets, ``count`` at most, can hold out other images each; 0 if no two can."""
    return next((most for most in range(count, 1, -1) if len(fold(ids, shown, most)) == most), 0)


def _folds_offered(ids: Sequence[str], shown: Shown, count: int) -> str:
    """Return what to say of folds after a sentence; nothing if there are too few images for them."""
    most = _most_folds(ids, shown, count)
    return (
        f"; --folds {most} writes {most} data sets that hold out other images each: train them one by one, "
        "and take the mean of their scores"
        if most
        else ""
    )


def _labeled(count: int) -> str:
    return "1 labeled image is" if count == 1 else f"{count} labeled images are"


def hold_out(ids: Sequence[str], shown: Shown, count: int, most: int) -> tuple[str, ...]:
    """Return the images to validate on, without a draw: those whose names have the smallest hashes.

    Each class with a second image has one among them if that takes no more than ``most``; the last image of a
    class is never taken.

    Args:
        ids: The labeled images.
        shown: Their classes.
        count: How many to take.
        most: How many to take at most to have each class.
    """
    left = Counter(index for id in ids for index in shown.get(id, ()))
    wanted = {index for index, images in left.items() if images > 1}
    ranked, chosen = _ranked(ids), dict[str, None]()

    def spare(id: str) -> bool:
        return all(left[index] > 1 for index in shown.get(id, ()))

    def take(id: str) -> None:
        chosen[id] = None
        left.subtract(shown.get(id, ()))

    while wanted and len(chosen) < most:
        free = [id for id in ranked if id not in chosen and spare(id)]
        best = max(free, key=lambda id: len(wanted & shown.get(id, frozenset())), default=None)
        new = wanted & shown.get(best, frozenset()) if best else set()
        if not best or not new:  # the first of equals is taken
            break
        take(best)
        wanted -= new
    for id in ranked:
        if len(chosen) < count and id not in chosen and spare(id):
            take(id)
    return tuple(sorted(chosen))


def fold(ids: Sequence[str], shown: Shown, count: int) -> list[tuple[str, ...]]:
    """Return ``count`` choices of images to validate on, in which each image is once.

    An image that alone shows a class is in none of them, as that fold could not learn the class. The images
    of a class go to different folds as far as possible, those of rare classes first.
    """
    images = Counter(index for id in ids for index in shown.get(id, ()))
    free = [id for id in _ranked(ids) if all(images[index] > 1 for index in shown.get(id, ()))]
    free.sort(key=lambda id: min((images[index] for index in shown.get(id, ())), default=0))
    folds: list[list[str]] = [[] for _ in range(count)]
    seen = [Counter[int]() for _ in range(count)]
    for id in free:
        own = sorted(shown.get(id, ()), key=lambda index: images[index])
        place = min(range(count), key=lambda number: ([seen[number][i] for i in own[:1]], len(folds[number])))
        if all(seen[place][index] + 1 < images[index] for index in own):
            folds[place].append(id)
            seen[place].update(own)
    return [tuple(sorted(each)) for each in folds if each]


def _ranked(ids: Sequence[str]) -> list[str]:
    """Return ids in an order that stays when some are added."""
    return sorted(ids, key=lambda id: hashlib.sha256(id.encode()).digest())
