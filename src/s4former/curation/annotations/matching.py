"""The images that annotations mean: found by a name, and how large they are."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import unquote

from PIL import ExifTags

from s4former.config.errors import DataError
from s4former.data.sources.decoding import load_upright, opened
from s4former.data.sources.raster import is_plain, read_values

_PART = re.compile(r"(train|val|test)(?:ing|id|idation)?[-_\d]*$", re.IGNORECASE)
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width


@dataclass(frozen=True)
class Match:
    """An image, and how many of the folders above its file the annotation names as well."""

    id: str
    folders: int


class Images:
    """The images of a data set, to be found by what annotations call them.

    A name matches by the file's name, then by its name without the ending, then by that with everything
    removed that upload forms remove (spaces, brackets); then with ``%20`` and the like replaced, then without
    the eight digits that Label Studio puts before the name of an uploaded file. Among several such images
    that one is meant whose folders agree with the name the furthest from their end. Where names tell the
    parts of a data set apart, as ``train`` and ``val``, an image of one is never meant by a name in another.
    Nothing of a name is ever used as a path.

    Args:
        images: The file of each image by its id.
        names: All names that will be looked for.
    """

    def __init__(self, images: Mapping[str, Path], names: Iterable[str]) -> None:
        self.files = images
        self._parts = {_part(_path(name)) for name in names} - {None}
        self._by_name, self._by_stem, self._by_plain = (defaultdict[str, list[str]](list) for _ in range(3))
        for id, file in images.items():
            name = PurePosixPath(_normal(file.name))
            self._by_name[name.name].append(id)
            self._by_stem[name.stem].append(id)
            self._by_plain[_plain(name.stem)].append(id)

    def find(self, names: Sequence[str], where: str) -> Match | None:
        """Return the image that the first name that is known means, or None.

        Raises:
            DataError: If several images fit equally well.
        """
        for path in dict.fromkeys(
            form for read in (_path, _unquoted, _original) for form in map(read, names)
        ):
            ids = (
                self._by_name.get(path.name)
                or self._by_stem.get(path.name)
                or self._by_stem.get(path.stem)
                or self._by_plain.get(_plain(path.stem))
            )
            ids = [id for id in ids or () if not self._of_other_part(self.files[id], path)]
            if ids:
                return self._nearest(ids, path, where)
        return None

    def _of_other_part(self, file: Path, path: PurePosixPath) -> bool:
        """Say whether a name means another part than a file's; parts that no name knows tell nothing."""
        own = _part(file)
        return own in self._parts and _part(path) not in (own, None)

    def _nearest(self, ids: list[str], path: PurePosixPath, where: str) -> Match:
        shared = {id: _agreement(self.files[id], path) for id in ids}
        most = max(shared.values())
        best = [id for id in ids if shared[id] == most]
        if len(best) > 1:
            files = " and ".join(str(self.files[id]) for id in best[:2])
            raise DataError(
                f"{where}: {path} may mean {files}; give the folder in the annotation, or give the files "
                "different names"
            )
        return Match(best[0], most)


def _agreement(file: Path, path: PurePosixPath) -> int:
    """Count the folders on which two paths agree, from their end; the same part of a data set is one more."""
    pairs = zip(reversed(file.parts[:-1]), reversed(path.parts[:-1]), strict=False)
    folders = takewhile(lambda pair: _normal(pair[0]) == pair[1], pairs)
    return sum(1 for _ in folders) + (_part(path) is not None and _part(file) == _part(path))


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(_normal(name).replace("\\", "/"))


def _unquoted(name: str) -> PurePosixPath:
    return _path(unquote(name))


def _original(name: str) -> PurePosixPath:
    """Return a name as the file had it before it was uploaded."""
    path = _unquoted(name)
    return path.with_name(_UPLOADED.sub("", path.name, count=1)) if path.name else path


def _part(path: PurePath) -> str | None:
    """Return the part of a data set that the folders of a path name, ``val`` for ``val2017``, or None."""
    found = [match[1].lower() for folder in path.parts[:-1] if (match := _PART.match(folder))]
    return found[-1] if found else None


def _normal(name: str) -> str:
    """Return a name in one Unicode form: systems write accents in two ways that look alike."""
    return unicodedata.normalize("NFC", name)


def _plain(name: str) -> str:
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


def displayed_size(path: Path, channels: int) -> tuple[int, int]:
    """Return an image's height and width after its EXIF rotation.

    Args:
        path: The file.
        channels: How many channels it has, which tells what is an axis of channels in arrays and TIFF files.

    Raises:
        DataError: If the file cannot be read.
    """
    if not is_plain(path, channels):
        height, width = read_values(path, channels).shape[:2]
        return height, width
    with opened(path) as picture:
        turned = picture.getexif().get(ExifTags.Base.Orientation) in _TURNED
        upright = load_upright(picture) if turned else picture
        return upright.height, upright.width
