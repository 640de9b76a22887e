"""How files are named: which mask belongs to which image, and which rule may be meant."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile

from s4former.data.split_lists import SUFFIXES, composed

MASK_WORDS = ("mask", "label", "annot", "seg", "gt", "truth")
"""What folders and files of masks are often called after."""
_TRIED, _LIKELY = 60, 4
_PIECE = re.compile(r"\d+|[^\W\d_]+|[\W_]")
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


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

    images: Naming = Naming()
    masks: Naming = Naming()

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

    def matched(self, images: Iterable[str], masks: Iterable[str]) -> tuple[int, int]:
        """Return how many masks belong to an image: by numbers without their zeros, and to the letter."""
        own = {key for name in images if (key := self.images.key(name)) is not None}
        numbers = {unpadded(key) for key in own}
        keys = [key for name in masks if (key := self.masks.key(name)) is not None]
        return sum(unpadded(key) in numbers for key in keys), sum(key in own for key in keys)


def guess_rule(images: Sequence[str], masks: Sequence[str], one_folder: bool = False) -> Rule | None:
    """Return the rule that gives most masks an image, or None if none does so for half of its masks.

    Of two that match as many, the one that leaves fewer masks without an image. In one folder, where other
    bands may lie too, one that says that it is about masks (``_label``) comes before others (``_nir``).

    Args:
        images: Paths of files below the folder of images.
        masks: Paths of files below the folder of masks.
        one_folder: Whether both are the same, so that images are among the masks and the other way round.
    """
    best = _best(_candidates(images, masks, one_folder), images, masks, one_folder)
    if best or one_folder:
        return best
    likely = likely_rules(images, masks)
    return likely[0] if len(likely) == 1 else None


def _best(
    rules: Iterable[Rule], images: Sequence[str], masks: Sequence[str], one_folder: bool
) -> Rule | None:
    best, first = None, (False, 0, 0, 0)
    for rule in rules:
        own = [name for name in masks if rule.masks.key(name) is not None]
        others = set(images) - set(own) if one_folder else images
        matched, exact = rule.matched(others, own)
        said = one_folder and 0 < len(own) <= 2 * matched and _says_masks(rule.masks)
        rank = (said, matched, -len(own), exact)
        if matched and rank > first:
            best, first = rule, rank
    _, most, needed, _ = first
    return best if 2 * most >= -needed else None


def sounds_like_masks(name: str) -> bool:
    """Whether a folder, or what names of files share, is called as masks often are."""
    lower = name.lower()
    return any(word in lower for word in MASK_WORDS) or "ann" in re.split(r"[^a-z]+", lower)


def unpadded(key: str) -> str:
    """Return a name whose numbers have no zeros before them: ``7`` and ``007`` are one number."""
    return _ZEROS.sub("", key)


def _says_masks(naming: Naming) -> bool:
    """Whether an affix has a word for masks, or is no more than the ending of a file."""
    return sounds_like_masks(f"{naming.prefix} {naming.suffix}") or _ends_as_image(naming.suffix)


def likely_rules(images: Sequence[str], masks: Sequence[str]) -> list[Rule]:
    """Return the rules for some of the names, as of ``frame1`` among other photographs with ``mask1``.

    If there are several, as where ``depth1`` lies beside ``frame1``, nothing tells which is meant.
    """
    image_stems, mask_stems = (_stems(names) for names in (images, masks))
    of_images, of_masks = _common(image_stems), _common(mask_stems)
    rules = [Rule(kind, of_masks) for kind in _kinds(image_stems, of_masks, mask_stems)]
    rules += [Rule(of_images, kind) for kind in _kinds(mask_stems, of_images, image_stems)]
    told = [rule for rule in dict.fromkeys(rules) if rule.images != rule.masks]
    return [rule for rule in told if _best([rule], images, masks, False)]


def not_masks(names: Sequence[str]) -> list[str]:
    """Return the files in folders that do not sound like masks; all if that leaves none."""
    kept = [name for name in names if not _in_masks(name)]
    return kept or list(names)


def _in_masks(name: str) -> bool:
    return any(map(sounds_like_masks, name.split("/")[:-1]))


def _candidates(images: Sequence[str], masks: Sequence[str], one_folder: bool) -> list[Rule]:
    """Return rules worth trying: plain names first, then those that some pairs of names suggest."""
    found: Counter[Rule] = Counter()
    image_stems, mask_stems = (_stems(names) for names in (images, masks))
    for mask in sorted(mask_stems, key=lambda stem: not sounds_like_masks(stem))[:_TRIED]:
        for image in image_stems:
            if image == mask:
                continue
            if image and image in mask:
                rule = Rule(Naming(), _around(image, mask))
            elif mask and mask in image:
                rule = Rule(_around(mask, image), Naming())
            else:
                continue
            if rule.affixes:
                found[rule] += 1
    rules = [rule for rule, _ in found.most_common(_LIKELY)]
    if one_folder:
        return [*rules, *_by_ending(images)]
    return [Rule(Naming(), Naming()), *rules, *_shared(image_stems, mask_stems)]


def _kinds(stems: Sequence[str], common: Naming, others: Sequence[str]) -> list[Naming]:
    """Return what is before and after the others' keys in names: what is there most often."""
    if common == Naming():
        return []
    keys = {other[len(common.prefix) : len(other) - len(common.suffix)] for other in others} - {""}
    found: Counter[Naming] = Counter()
    for stem in stems:
        key = next((part for part in name_parts(stem) if part in keys), stem)
        kind = _around(key, stem)
        if _of_one_number(kind.prefix, common.prefix) and _of_one_number(kind.suffix, common.suffix):
            found[kind] += 1
    del found[Naming()]
    most = max(found.values(), default=0)
    return [kind for kind, count in found.items() if count == most]


def name_parts(stem: str) -> Iterator[str]:
    """Return the parts of a name that cut no word and no number, the longest first."""
    pieces = _PIECE.findall(stem)
    for length in range(len(pieces), 0, -1):
        for start in range(len(pieces) - length + 1):
            yield "".join(pieces[start : start + length])


def _around(key: str, stem: str) -> Naming:
    """Return what a name has before and after a part of it; nothing if that cuts a number in two.

    ``21`` is not ``1`` with a prefix ``2``: it is the number of another file.
    """
    prefix, _, suffix = stem.partition(key)
    cuts = any(
        one[-1:].isdecimal() and other[:1].isdecimal() for one, other in ((prefix, key), (key, suffix))
    )
    return Naming() if cuts else Naming(prefix, suffix)


def _by_ending(names: Sequence[str]) -> list[Rule]:
    """Return rules for images and masks in one folder that differ in nothing but the ending."""
    endings = sorted({os.path.splitext(name)[1] for name in names})
    return [
        Rule(Naming(suffix=image), Naming(suffix=mask))
        for image in endings
        for mask in endings
        if image != mask
    ]


def _shared(images: Sequence[str], masks: Sequence[str]) -> list[Rule]:
    """Return the rules of what all images and what all masks start with, end with, or both.

    Where the numbers of the two differ, as in ``cam1_`` and ``cam2_``, they tell files apart: no affix.
    """
    of_images, of_masks = _common(images), _common(masks)
    starts, ends = (of_images.prefix, of_masks.prefix), (of_images.suffix, of_masks.suffix)
    return [
        Rule(Naming(start, end), Naming(mask_start, mask_end))
        for start, mask_start in (starts, ("", ""))
        for end, mask_end in (ends, ("", ""))
        if _of_one_number(start, mask_start) and _of_one_number(end, mask_end)
    ]


def _of_one_number(one: str, other: str) -> bool:
    numbers = (re.findall(r"\d+", unpadded(text)) for text in (one, other))
    return all(first == second for first, second in zip(*numbers, strict=False))


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
