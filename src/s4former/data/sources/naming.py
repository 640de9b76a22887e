"""How files are named: which mask belongs to which image, and what rule somebody may have had in mind."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path

from s4former.data.splits.lists import SUFFIXES

_TRIED = 60


@dataclass(frozen=True)
class Naming:
    """The start and the end that a kind of files has in common; what lies between is the key.

    Attributes:
        prefix: Start of the file's name.
        suffix: End of the file's name, before the ending or with it (``_mask``, ``_mask.png``).
    """

    prefix: str = ""
    suffix: str = ""

    def key(self, name: str) -> str | None:
        """Return a path without prefix, suffix and ending; None if it lacks the prefix or the suffix."""
        folder, slash, file = name.rpartition("/")
        stem = file if _ends_as_image(self.suffix) else os.path.splitext(file)[0]
        fits = len(stem) >= len(self.prefix) + len(self.suffix)
        if not fits or not stem.startswith(self.prefix) or not stem.endswith(self.suffix):
            return None
        return f"{folder}{slash}{stem[len(self.prefix) : len(stem) - len(self.suffix)]}"


@dataclass(frozen=True)
class Rule:
    """The names of images and of their masks."""

    images: Naming
    masks: Naming

    def __str__(self) -> str:
        fields = {
            "image_prefix": self.images.prefix,
            "image_suffix": self.images.suffix,
            "mask_prefix": self.masks.prefix,
            "mask_suffix": self.masks.suffix,
        }
        return ", ".join(f"{name}: {value}" for name, value in fields.items() if value)

    def matched(self, images: Iterable[str], masks: Iterable[str]) -> int:
        """Return how many masks belong to an image."""
        keys = {self.images.key(name) for name in images} - {None}
        return sum(self.masks.key(name) in keys for name in masks)


def image_files(folder: Path) -> Iterator[str]:
    """List the image files below a folder by their paths in it, sorted; what is hidden is left out.

    Nothing is opened.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = os.path.relpath(parent, folder).replace(os.sep, "/")
        prefix = "" if relative == "." else f"{relative}/"
        for name in sorted(names):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield f"{prefix}{name}"


def guess_rule(images: Sequence[str], masks: Sequence[str], one_folder: bool = False) -> Rule | None:
    """Return the rule that gives most masks an image, or None if none does so for half of its masks.

    Of two that match as many, the one that leaves fewer masks without an image.

    Args:
        images: Paths of files below the folder of images.
        masks: Paths of files below the folder of masks.
        one_folder: Whether both are the same, so that images are among the masks and the other way round.
    """
    best, most, needed = None, 0, 0
    for rule in _candidates(images, masks, one_folder):
        own = [name for name in masks if rule.masks.key(name) is not None]
        others = set(images) - set(own) if one_folder else images
        matched = rule.matched(others, own)
        if (matched, -len(own)) > (most, -needed):
            best, most, needed = rule, matched, len(own)
    return best if 2 * most >= needed else None


def _candidates(images: Sequence[str], masks: Sequence[str], one_folder: bool) -> list[Rule]:
    """Return rules worth trying: plain names first, then those that some pairs of names suggest."""
    found: Counter[Rule] = Counter()
    image_stems, mask_stems = (_stems(names) for names in (images, masks))
    for mask in mask_stems[:_TRIED]:
        for image in image_stems:
            if image == mask:
                continue
            if image and image in mask:
                prefix, _, suffix = mask.partition(image)
                found[Rule(Naming(), Naming(prefix, suffix))] += 1
            elif mask and mask in image:
                prefix, _, suffix = image.partition(mask)
                found[Rule(Naming(prefix, suffix), Naming())] += 1
    rules = [rule for rule, _ in found.most_common(4)]
    if one_folder:
        return [*rules, *_by_ending(images)]
    return [Rule(Naming(), Naming()), *rules, Rule(_common(image_stems), _common(mask_stems))]


def _by_ending(names: Sequence[str]) -> list[Rule]:
    """Return rules for images and masks in one folder that differ in nothing but the ending."""
    endings = sorted({os.path.splitext(name)[1] for name in names})
    return [
        Rule(Naming(suffix=image), Naming(suffix=mask))
        for image in endings
        for mask in endings
        if image != mask
    ]


def _common(stems: Sequence[str]) -> Naming:
    """Return what all names start and end with, but for digits, which tell them apart."""
    if len(stems) < 2:
        return Naming()
    prefix = _shared_start(stems).rstrip("0123456789")
    suffix = _shared_start([stem[::-1] for stem in stems])[::-1].lstrip("0123456789")
    return Naming(prefix, suffix)


def _shared_start(words: Sequence[str]) -> str:
    pairs = zip(min(words), max(words), strict=False)  # these two differ first of all words
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _stems(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(os.path.splitext(name.rpartition("/")[2])[0] for name in names))


@cache
def _ends_as_image(suffix: str) -> bool:
    return os.path.splitext(f"x{suffix}")[1].lower() in SUFFIXES


def by_lower_case(keys: Iterable[str]) -> dict[str, str | None]:
    """Return each key by its form without case; None where two keys differ in case only."""
    folded: dict[str, str | None] = {}
    for key in keys:
        folded[key.casefold()] = None if key.casefold() in folded else key
    return folded
