"""Checks split lists: how many images they name, what is named twice, what does not exist."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from s4former.config.errors import DataError
from s4former.data.sources.finding import Finder
from s4former.data.sources.listing import image_files
from s4former.data.sources.naming import not_masks
from s4former.data.split_lists import Entry, first_few, parse_line, repeated, split_lines, strip_suffix

_HELD_OUT = ("val", "test")
_IMAGE_FOLDERS = ("JPEGImages", "leftImg8bit", "images")
"""Where published layouts keep images; a bare id is looked for there, or anywhere if there is none."""
_IMAGE_SUFFIX = "_leftImg8bit"


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
    ``N_train_unsupervised.txt``, ``labeled.txt`` with ``unlabeled.txt``, and both labeled ones (as
    ``train.txt`` is) with the ``val.txt`` or ``test.txt`` of the same folder or the one above.

    Args:
        paths: The lists.
        root: Folder of the data set, to see whether the files exist (masks: of labeled and held-out images);
            none: it is not looked at.

    Raises:
        DataError: If ``root`` is no folder.
    """
    check = SplitCheck()
    files = None if root is None else _Files(root)
    named: dict[Path, tuple[str, ...]] = {}
    for path in paths:
        try:
            entries = [parse_line(line) for line in split_lines(path)]
        except DataError as error:
            check.lists.append(ListCheck(path, 0, (str(error),)))
            continue
        named[path] = tuple(dict.fromkeys(_id(entry.image) for entry in entries))
        check.lists.append(ListCheck(path, len(entries), tuple(_problems(path, entries, files))))
    for labeled, unlabeled in _pairs(named):
        shared = _shared(named[labeled], named[unlabeled])
        union = len(named[labeled]) + len(named[unlabeled]) - len(shared)
        check.pairs.append(PairCheck(labeled, unlabeled, union, tuple(shared)))
        if shared:
            whole = "all" if len(shared) == union else f"{len(shared)}"
            check.notes.append(
                f"{labeled} and {unlabeled.name} share {whole} images ({first_few(shared, 3)}): "
                "these are labeled and unlabeled at once"
            )
    for learned, scored in _leaks(named):
        both = _shared(named[learned], named[scored])
        unclear = [name for name in both if files and len(files.find(name)) > 1]
        sure = [name for name in both if name not in set(unclear)]
        if sure:
            check.problems.append(f"{learned} and {scored} share {len(sure)} images: {first_few(sure)}")
        if unclear and files:
            check.notes.append(
                f"{learned} and {scored} both name {first_few(unclear, 3)}, which may mean "
                f"{first_few(files.find(unclear[0]), 3)}; write folders into the lists to tell them apart"
            )
        if files:
            equal = [f"{one} = {other}" for one, other in files.equal(named[learned], named[scored])]
            if equal:
                check.problems.append(
                    f"{len(equal)} images of {learned} and {scored} are equal files: {first_few(equal)}"
                )
    return check


class _Files:
    """The image files below a data set's folder, found by what a list calls them."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"there is no folder {root}; type --root with the data set's folder")
        self.root = root
        homes = [f"{name}/" for name in _IMAGE_FOLDERS if (root / name).is_dir()]
        names = list(image_files(root))
        images = [name for name in names if name.startswith(tuple(homes))] if homes else not_masks(names)
        self._images = {strip_suffix(name): root / name for name in images}
        self._finder = Finder((own, name) for name in self._images for own in {name, _id(name)})
        self._masks = {(name.partition("/")[0], strip_suffix(PurePath(name).name)) for name in names}

    def find(self, name: str) -> list[str]:
        """Return the images that a name may mean."""
        return self._finder.find(name)

    def missing(self, entries: Iterable[Entry], with_masks: bool) -> Iterator[str]:
        """Return the images, and if wanted the masks, that do not exist.

        A mask may lie deeper below the folder that its path starts with than the list says.
        """
        for entry in entries:
            if not self.find(entry.image):
                yield entry.image
            mask = entry.mask if with_masks else None
            if mask and (mask.partition("/")[0], PurePath(mask).name) not in self._masks:
                yield mask

    def equal(self, learned: Iterable[str], scored: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Return pairs of images, one of either list, that have other names and the same content."""
        of_size: dict[int, list[str]] = defaultdict(list)
        for name in self._sure(learned):
            of_size[self._images[name].stat().st_size].append(name)
        digests: dict[str, bytes] = {}
        for name in self._sure(scored):
            for other in of_size.get(self._images[name].stat().st_size, ()):
                for file in {name, other} - digests.keys():
                    digests[file] = hashlib.sha256(self._images[file].read_bytes()).digest()
                if name != other and digests[name] == digests[other]:
                    yield other, name

    def _sure(self, names: Iterable[str]) -> list[str]:
        found = map(self.find, names)
        return [name[0] for name in found if len(name) == 1 and self._images[name[0]].is_file()]


def _id(image: str) -> str:
    """Return a name without what Cityscapes puts behind an id."""
    return image.removesuffix(_IMAGE_SUFFIX)


def _shared(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return the names of one list that another has too, which may start further up or further down."""
    by_last: dict[str, list[str]] = defaultdict(list)
    for name in other:
        by_last[PurePath(name).name].append(f"/{name}")
    return sorted(
        name
        for name in one
        if any(
            f"/{name}".endswith(its) or its.endswith(f"/{name}")
            for its in by_last.get(PurePath(name).name, ())
        )
    )


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
    return bool(re.search(r"(^|_)(train(_?aug|_supervised)?|labeled)$", path.stem))


def _pairs(named: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Return the labeled lists with their unlabeled partners."""
    known = set(named)
    for path in filter(_is_labeled, named):
        partner = re.sub(r"(supervised|labeled)$", r"un\1", path.stem)
        if partner != path.stem and path.with_stem(partner) in known:
            yield path, path.with_stem(partner)


def _leaks(named: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Return the labeled lists with the held-out lists beside them or one folder up."""
    for scored in (path for path in named if path.stem in _HELD_OUT):
        for path in filter(_is_labeled, named):
            if scored.parent in (path.parent, path.parent.parent):
                yield path, scored
