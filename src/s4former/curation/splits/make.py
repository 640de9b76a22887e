"""Makes splits: seeded, nested, and with every class among the labeled images where that is possible."""

from __future__ import annotations

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from s4former.config.errors import UserError
from s4former.config.outputs import claim
from s4former.config.record import json_text
from s4former.data.progress import Report, silent
from s4former.data.sources.base import LabelImage, Source
from s4former.data.sources.shards import ShardImages
from s4former.data.split_lists import first_few, list_text
from s4former.ops.randomness import keyed_generator
from s4former.types import IGNORE

Presence = Bool[np.ndarray, "images classes"]
RULE = "greedy class cover, then random; version 1"


def make_split(presence: Presence, seed: int) -> list[int]:
    """Return the images in the order in which they become labeled; the first ``n`` are the split of ``n``.

    So the splits of one seed are nested. The first images are chosen to cover the classes: each is the one
    that brings the most classes not seen so far, drawn among equals; with as many images as classes, every
    class that occurs is there. The others follow at random.

    Args:
        presence: Whether an image shows a class.
        seed: Names the draw.
    """
    order = keyed_generator(seed, "split").permutation(len(presence))
    shuffled = presence[order]
    missing = shuffled.any(axis=0)
    cover: list[int] = []
    while missing.any():
        best = int(shuffled[:, missing].sum(axis=1).argmax())
        cover.append(best)
        missing &= ~shuffled[best]
    rest = np.delete(np.arange(len(order)), cover)
    return [int(order[place]) for place in (*cover, *rest)]


def read_amount(amount: str, images: int) -> int:
    """Return how many of ``images`` a text such as ``1/16``, ``0.1``, ``5%`` or ``23`` asks for.

    Shares are rounded up, as in the published splits of VOC, Cityscapes and COCO: 1/16 of 10,582 is 662.

    Raises:
        UserError: If it is none of these, or not between 1 and ``images``.
    """
    try:
        number = Fraction(amount.removesuffix("%")) / (100 if amount.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        raise UserError(
            f"cannot read {amount!r}; type a share as in 1/16 or 5%, or a number of images"
        ) from None
    if amount.isdecimal():
        count = int(amount)
    elif 0 < number <= 1:
        count = math.ceil(number * images)
    else:
        raise UserError(f"{amount} is no share; type one above 0 and up to 1, as in 1/16, or a whole number")
    if not 0 < count <= images:
        raise UserError(f"asked for {count} labeled images; there are {images} with masks to choose from")
    return count


def class_presence(source: Source, report: Report = silent) -> Presence:
    """Return which class each labeled image of a source shows; every mask is read once.

    Raises:
        DataError: If a mask cannot be read or holds an unknown value.
    """
    presence = np.zeros((len(source.labeled), len(source.classes)), dtype=bool)
    with ThreadPoolExecutor(max_workers=4) as pool:  # decoders let go of the interpreter while they work
        masks = pool.map(_values, repeat(source), source.labeled, chunksize=1)
        for row, values in enumerate(masks):
            presence[row, values] = True
            report("reading masks", row + 1, len(presence))
    return presence


@dataclass(frozen=True)
class Split:
    """A split as it was made.

    Attributes:
        labeled: Ids of the labeled images, in the order of the draw.
        unlabeled: Ids of all other training images.
        record: How it was made and what it holds, for ``split.json``.
    """

    labeled: tuple[str, ...]
    unlabeled: tuple[str, ...]
    record: dict[str, object]

    @property
    def absent(self) -> list[str]:
        """Classes that no labeled image shows."""
        shown = self.record["images_with_class"]
        assert isinstance(shown, dict)
        return [name for name, (labeled, _) in shown.items() if not labeled]

    def write(self, folder: Path) -> None:
        """Write ``labeled.txt``, ``unlabeled.txt`` (if there are any) and ``split.json`` into a folder.

        Raises:
            UserError: If the folder holds another split, or such a file of somebody's own.
            DataError: If the name of an image does not fit on a line.
        """
        parts = {"labeled.txt": self.labeled, "unlabeled.txt": self.unlabeled}
        texts = {name: list_text(ids) for name, ids in parts.items() if ids}
        others = [
            name
            for name, text in texts.items()
            if (folder / name).is_file() and not _holds(folder / name, text)
        ]
        if others:
            raise UserError(f"{folder} holds another split ({first_few(others)}); type --out NEW_FOLDER")
        sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
        texts["split.json"] = json_text({**self.record, "sha256": sums})
        new = {folder / name: text for name, text in texts.items() if not _holds(folder / name, text)}
        outputs = claim([(path, path.name) for path in new], "split", instead="type --out NEW_FOLDER")
        for path, text in new.items():
            outputs.write_text(path, text)


def split_source(source: Source, amount: str, seed: int, report: Report = silent) -> Split:
    """Choose labeled images among those of a source that have masks; the rest become unlabeled.

    Args:
        source: Its labeled images are the ones to choose from.
        amount: How many, see `read_amount`.
        seed: Names the draw; splits of one seed are nested.
        report: Hears how many masks are read.

    Raises:
        UserError: If the amount makes no sense.
        DataError: If a mask cannot be read.
    """
    count = read_amount(amount, len(source.labeled))
    presence = class_presence(source, report)
    order = make_split(presence, seed)
    chosen, others = order[:count], sorted(order[count:])
    if isinstance(source.unlabeled, ShardImages):  # which no list names: all but the labeled take part
        others, never_masked = [], list[str]()
    else:
        candidates = set(source.labeled)
        never_masked = [id for id in source.unlabeled if id not in candidates]
    shown = zip(presence[chosen].sum(axis=0), presence.sum(axis=0), strict=True)
    record: dict[str, object] = {
        "asked": amount,
        "seed": seed,
        "rule": RULE,
        "labeled": count,
        "unlabeled": len(others) + len(never_masked),
        "images_with_class": {
            name: [int(part), int(whole)]
            for name, (part, whole) in zip(source.classes.names, shown, strict=True)
        },
        "data": source.fingerprint(),
    }
    ids = source.labeled
    return Split(
        tuple(ids[place] for place in chosen), (*(ids[place] for place in others), *never_masked), record
    )


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _values(source: Source, id: str) -> list[int]:
    mask: LabelImage = source.read_mask(id, "labeled")
    return [int(value) for value in np.unique(mask) if value != IGNORE]
