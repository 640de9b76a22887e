"""How files are named: which mask belongs to which image, and which rule may be meant."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile

from s4former.data.split_lists import SUFFIXES, composed

MASK_WORDS = ("mask", "label", "annot", "seg", "gt", "truth")
"""What folders and files of masks are often called after."""
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

    def __str__(self) -> str:
        return f"{self.prefix}...{self.suffix}"

    def key(self, name: str) -> str | None:
        """Return a path without prefix, suffix and ending; None if it lacks the prefix or the suffix."""
        prefix, suffix = composed(self.prefix), composed(self.suffix)
        folder, slash, file = composed(name).rpartition("/")
        stem = file if _ends_as_image(suffix) else os.path.splitext(file)[0]
        fits = len(stem) >= len(prefix) + len(suffix)
        if not fits or not stem.startswith(prefix) or not stem.endswith(suffix):
            return None
        return f"{folder}{slash}{stem[len(prefix) : len(stem) - len(suffix)]}"


@dataclass(frozen=True)
class Rule:
    """The names of images and of their masks."""

    images: Naming
    masks: Naming

    @property
    def affixes(self) -> dict[str, str]:
        """The fields that say it, with their values."""
        fields = {
            "image_prefix": self.images.prefix,
            "image_suffix": self.images.suffix,
            "mask_prefix": self.masks.prefix,
            "mask_suffix": self.masks.suffix,
        }
        return {name: value for name, value in fields.items() if value}

    def __str__(self) -> str:
        return ", ".join(f"{name}: {value}" for name, value in self.affixes.items())

    def matched(self, images: Iterable[str], masks: Iterable[str]) -> int:
        """Return how many masks belong to an image."""
        keys = {self.images.key(name) for name in images} - {None}
        return sum(self.masks.key(name) in keys for name in masks)


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


def not_masks(names: Sequence[str]) -> list[str]:
    """Return the files in folders that do not sound like masks; all if that leaves none."""
    kept = [name for name in names if not _in_masks(name)]
    return kept or list(names)


def _in_masks(name: str) -> bool:
    folders = name.lower().split("/")[:-1]
    return any(word in folder for word in MASK_WORDS for folder in folders)


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
