"""Checks split lists: how many images they name, what is named twice, what does not exist."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s4former.config.errors import DataError
from s4former.data.splits.lists import (
    SUFFIXES,
    Entry,
    first_few,
    parse_line,
    repeated,
    split_lines,
    strip_suffix,
)

_HELD_OUT = ("val", "test")
_IMAGE_FOLDERS = ("JPEGImages", "leftImg8bit", "images")
"""Where published layouts keep images; a bare id is looked for there, or anywhere if there is none."""
_IMAGE_SUFFIX = "_leftImg8bit"
_BEFORE_ID = re.compile(
    r"^(leftImg8bit/)?(JPEGImages|train2017|val2017|(images/)?(train|val|test|training|validation))/"
)


@dataclass(frozen=True)
class ListCheck:
    """What one list holds.

    Attributes:
        path: The list.
        images: How many lines name an image.
        problems: What is wrong with it.
    """

    path: Path
    images: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class PairCheck:
    """How a labeled and an unlabeled list fit together.

    Attributes:
        labeled: The labeled list.
        unlabeled: The unlabeled list.
        union: How many images the two name together.
        shared: Images that both name.
    """

    labeled: Path
    unlabeled: Path
    union: int
    shared: tuple[str, ...]


@dataclass
class SplitCheck:
    """What a check of lists found.

    Attributes:
        lists: Each list.
        pairs: Each labeled list with its unlabeled partner.
        problems: What is wrong between lists: an image both to learn from and to score on.
        notes: What deserves a look: images that are labeled and unlabeled at once.
    """

    lists: list[ListCheck] = field(default_factory=list)
    pairs: list[PairCheck] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def all_problems(self) -> list[str]:
        """Problems of each list and those between lists."""
        return [f"{one.path}: {problem}" for one in self.lists for problem in one.problems] + self.problems


def find_lists(paths: Iterable[Path]) -> list[Path]:
    """Return the given files, and the ``.txt`` files below the given folders.

    Raises:
        DataError: If a path does not exist, or a folder has no list.
    """
    found: list[Path] = []
    for path in paths:
        below = sorted(path.rglob("*.txt")) if path.is_dir() else [path]
        if not path.exists() or not below:
            raise DataError(f"there is no split list {path if not path.is_dir() else f'(*.txt) in {path}'}")
        found += below
    return list(dict.fromkeys(found))


def check_splits(paths: Sequence[Path], root: Path | None = None) -> SplitCheck:
    """Check lists one by one, and those that belong together.

    Lists belong together by their names and folders: ``N_train_supervised.txt`` with
    ``N_train_unsupervised.txt``, ``labeled.txt`` with ``unlabeled.txt``, and both labeled ones with the
    ``val.txt`` or ``test.txt`` of the same folder or the one above.

    Args:
        paths: The lists.
        root: Folder of the data set, to see whether the files exist (masks: of labeled and held-out images);
            none: it is not looked at.

    Raises:
        DataError: If ``root`` is no folder.
    """
    check = SplitCheck()
    files = None if root is None else _Files(root)
    named: dict[Path, frozenset[str]] = {}
    for path in paths:
        try:
            entries = [parse_line(line) for line in split_lines(path)]
        except DataError as error:
            check.lists.append(ListCheck(path, 0, (str(error),)))
            continue
        named[path] = frozenset(_id(entry.image) for entry in entries)
        check.lists.append(ListCheck(path, len(entries), tuple(_problems(path, entries, files))))
    for labeled, unlabeled in _pairs(named):
        shared = named[labeled] & named[unlabeled]
        union = named[labeled] | named[unlabeled]
        check.pairs.append(PairCheck(labeled, unlabeled, len(union), tuple(sorted(shared))))
        if shared:
            whole = "all" if shared == union else f"{len(shared)}"
            check.notes.append(
                f"{labeled} and {unlabeled.name} share {whole} images ({first_few(sorted(shared), 3)}): "
                "these are labeled and unlabeled at once"
            )
    for learned, scored in _leaks(named):
        both = sorted(named[learned] & named[scored])
        if both:
            check.problems.append(f"{learned} and {scored} share {len(both)} images: {first_few(both)}")
    return check


class _Files:
    """The image files below a data set's folder, found by what a list calls them."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"there is no folder {root}; type --root with the data set's folder")
        self.root = root
        homes = [name for name in _IMAGE_FOLDERS if (root / name).is_dir()] or ["."]
        self._images = {_id(name) for home in homes for name in _names(root / home)}
        self._below: dict[str, set[str]] = {}

    def missing(self, entries: Iterable[Entry], with_masks: bool) -> Iterator[str]:
        """Return the images, and if wanted the masks, that do not exist."""
        for entry in entries:
            if _id(entry.image) not in self._images:
                yield entry.image
            if with_masks and entry.mask is not None and not self._has_mask(entry.mask):
                yield entry.mask

    def _has_mask(self, mask: str) -> bool:
        """Whether the folder that a mask's path starts with has a file of that name, however deep."""
        home, _, rest = mask.partition("/")
        if home not in self._below:
            self._below[home] = {name.rpartition("/")[2] for name in _names(self.root / home)}
        return rest.rpartition("/")[2] in self._below[home]


def _names(folder: Path) -> Iterator[str]:
    """Return the paths of the image files below a folder, without their endings."""
    for parent, _, names in os.walk(folder):
        prefix = Path(parent).relative_to(folder).as_posix()
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES:
                yield strip_suffix(name if prefix == "." else f"{prefix}/{name}")


def _id(image: str) -> str:
    """Return a name without what layouts and published lists put before and behind an id."""
    return _BEFORE_ID.sub("", image).removesuffix(_IMAGE_SUFFIX)


def _problems(path: Path, entries: Sequence[Entry], files: _Files | None) -> Iterator[str]:
    twice = repeated(entry.image for entry in entries)
    if twice:
        yield f"{len(twice)} images are named more than once: {first_few(twice)}"
    if files is not None:
        unlabeled = path.stem.endswith(("unsupervised", "unlabeled"))  # their masks are never opened
        missing = list(files.missing(entries, with_masks=not unlabeled))
        if missing:
            yield f"{len(missing)} files are not in {files.root}: {first_few(missing)}"


def _is_labeled(path: Path) -> bool:
    return path.stem.endswith("train_supervised") or bool(re.search(r"(?<!un)labeled$", path.stem))


def _pairs(named: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Return the labeled lists with their unlabeled partners."""
    known = set(named)
    for path in filter(_is_labeled, named):
        partner = re.sub(r"(supervised|labeled)$", r"un\1", path.stem)
        if path.with_stem(partner) in known:
            yield path, path.with_stem(partner)


def _leaks(named: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Return the labeled lists with the held-out lists beside them or one folder up."""
    for scored in (path for path in named if path.stem in _HELD_OUT):
        for path in filter(_is_labeled, named):
            if scored.parent in (path.parent, path.parent.parent):
                yield path, scored
