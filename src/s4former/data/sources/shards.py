"""Unlabeled images in tar shards, on this machine or behind an address that fsspec knows, read one by one."""

from __future__ import annotations

import os
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, overload

import numpy as np
from jaxtyping import Int64

from s4former.config.errors import DataError, StorageError, UserError
from s4former.data.sources.base import Image
from s4former.data.sources.decode import decode_image
from s4former.data.sources.naming import Naming
from s4former.data.sources.shard_index import INDEX, ShardIndex, read_index
from s4former.data.sources.values import ValueRange
from s4former.data.split_lists import first_few, repeated, strip_suffix

T = TypeVar("T")
_WAITS = (1.0, 4.0, 15.0)  # seconds before an address that did not answer is asked again


@dataclass(frozen=True)
class Shard:
    """One tar file and what is in it."""

    place: str
    index: ShardIndex

    @property
    def name(self) -> str:
        """The file's name without its ending, which the ids of its images begin with."""
        return PurePosixPath(self.place).stem


class ShardImages(Sequence[str]):
    """The ids of the images in shards, in the order of shards and of images in them, and how to read one.

    An id is the name of the shard and that of the image, without endings. Nothing but arrays is kept, so
    that memory does not depend on what was read, and is shared by processes that are forked.
    """

    def __init__(self, shards: Sequence[Shard], kept: Int64[np.ndarray, " n"] | None = None) -> None:
        self._shards = tuple(shards)
        self._firsts = np.cumsum([0, *(len(shard.index) for shard in shards)])
        self._kept = np.arange(self._firsts[-1]) if kept is None else kept
        twice = repeated(shard.name for shard in shards)
        if twice:
            raise DataError(f"several shards are called {first_few(twice)}; give each a name of its own")
        self._by_name = {shard.name: shard for shard in shards}
        self._states: dict[str, int] = {}  # of the shards that were asked for theirs

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self._id(row) for row in map(int, self._kept[place]))
        return self._id(int(self._kept[place]))

    def _id(self, row: int) -> str:
        shard, own = self._at(row)
        return f"{shard.name}/{strip_suffix(shard.index.name(own))}"

    def _at(self, row: int) -> tuple[Shard, int]:
        number = int(np.searchsorted(self._firsts, row, "right")) - 1
        return self._shards[number], int(row - self._firsts[number])

    def read(self, id: str, channels: int, value_range: ValueRange | None) -> Image:
        """Return the pixels of an image, as they would be if it were a file of its own.

        Raises:
            DataError: If there is no such image, or it cannot be decoded.
            StorageError: If the shard cannot be read.
        """
        with self.unpacked(id) as copy:
            return decode_image(copy, channels, value_range)

    @contextmanager
    def unpacked(self, id: str) -> Iterator[Path]:
        """Give an image a file of its own for a while, as for many formats there are only decoders of files.

        Raises:
            DataError: If there is no such image or its bytes are others; one that is raised in the meantime
                names the image's place in its shard.
            StorageError: If the shard cannot be read.
        """
        shard, row = self._of(id)
        index, place = shard.index, self.place(id)
        start, size = int(index.offsets[row]), int(index.sizes[row])
        data = _patiently(shard.place, lambda files, path: files.cat_file(path, start, start + size))
        if len(data) != size or zlib.crc32(data) != index.checksums[row]:
            raise DataError(f"cannot read the image {place}: its bytes are not those that were packed")
        with tempfile.NamedTemporaryFile(suffix=PurePosixPath(place).suffix, delete=False) as copy:
            copy.write(data)
        try:
            yield Path(copy.name)
        except DataError as error:
            raise DataError(str(error).replace(copy.name, place)) from None
        finally:
            os.unlink(copy.name)

    def place(self, id: str) -> str:
        """Return where an image lies: its name behind that of its shard.

        Raises:
            DataError: If there is no such image.
        """
        shard, row = self._of(id)
        return f"{shard.place}/{shard.index.name(row)}"

    def stamp(self, id: str) -> list[int]:
        """Return what changes as soon as an image may have: its size and checksum, and its shard's state.

        The first two are what the index says, and stay when bytes of the shard are damaged.

        Raises:
            DataError: If there is no such image.
            StorageError: If the shard cannot be reached.
        """
        shard, row = self._of(id)
        if shard.place not in self._states:
            state = _patiently(shard.place, _state)
            self._states[shard.place] = zlib.crc32(str(state).encode())
        return [int(shard.index.sizes[row]), int(shard.index.checksums[row]), self._states[shard.place]]

    def _of(self, id: str) -> tuple[Shard, int]:
        name, _, below = id.partition("/")
        shard = self._by_name.get(name)
        row = shard.index.row(below) if shard else None
        if shard is None or row is None:
            raise DataError(f"there is no image {id} in the shards")
        return shard, row

    def only(self, naming: Naming) -> ShardImages:
        """Return the images whose names begin and end as asked."""
        named = (
            naming.key(shard.index.name(own)) is not None
            for shard, own in map(self._at, map(int, self._kept))
        )
        return ShardImages(self._shards, self._kept[np.fromiter(named, bool, len(self))])

    def without(self, files: Iterable[str]) -> ShardImages:
        """Return the images that are none of some files: a copy has its file's name, size and checksum."""
        by_name: dict[str, list[str]] = defaultdict(list)
        for file in files:
            by_name[os.path.basename(file)].append(file)

        def is_copy(row: int) -> bool:
            shard, own = self._at(row)
            index = shard.index
            return any(
                os.path.getsize(file) == index.sizes[own]
                and zlib.crc32(Path(file).read_bytes()) == index.checksums[own]
                for file in by_name.get(os.path.basename(index.name(own)), ())
            )

        kept = np.fromiter((not is_copy(row) for row in map(int, self._kept)), bool, len(self))
        return ShardImages(self._shards, self._kept[kept])

    def digest(self) -> str:
        """Return a hash of the names and contents of the images, in order."""
        found = sha256(np.packbits(np.isin(np.arange(self._firsts[-1]), self._kept)).tobytes())
        for shard in self._shards:
            found.update(shard.index.names + shard.index.checksums.tobytes())
        return found.hexdigest()


def open_shards(places: Iterable[str], field: str) -> ShardImages:
    """Return the images in tar shards; only their indices are read.

    Args:
        places: Tar files, folders of them, or patterns as ``photos-*.tar``; paths or addresses.
        field: What names them, for messages.

    Raises:
        DataError: If there are none, or one has no index or a wrong one.
        StorageError: If they cannot be reached.
    """
    found = [shard for place in places for shard in shard_files(place, field)]
    return ShardImages([_opened(shard) for shard in dict.fromkeys(found)])


def shard_files(place: str, field: str) -> list[str]:
    """Return the tar files that a path, a folder or a pattern names, sorted.

    Raises:
        DataError: If there are none.
        StorageError: If they cannot be reached.
    """

    def find(files: Any, path: str) -> list[str]:
        if files.isdir(path):
            path = f"{path.rstrip('/')}/*.tar"
        found = [path] if files.isfile(path) else sorted(files.glob(path))
        return [files.unstrip_protocol(one) if "://" in place else one for one in found]

    found = _patiently(place, find)
    if not found:
        raise DataError(
            f"there are no tar shards at {place}; change {field} to a folder of .tar files or to a pattern "
            "such as shards/*.tar, or type `s4former shards make IMAGES`, which makes some"
        )
    return found


def size_of(place: str) -> int:
    """Return the number of bytes of a file."""
    return int(_patiently(place, lambda files, path: files.size(path)))


def _state(files: Any, path: str) -> tuple[Any, ...]:
    """Return what changes with the bytes of a file: over HTTP its key is no more than its address."""
    facts = files.info(path)
    named = ("size", "ETag", "Content-MD5", "Digest", "Last-Modified")
    return files.ukey(path), *(str(facts.get(name)) for name in named)


def _opened(place: str) -> Shard:
    def read(files: Any, path: str) -> ShardIndex:
        with files.open(path, "rb") as lines:
            return read_index(lines, place, size)

    if not _patiently(place + INDEX, lambda files, path: files.isfile(path)):
        raise DataError(
            f"there is no index {place}{INDEX}; type `s4former shards index FOLDER` where the shards are on "
            "a disk, and keep the indices beside them"
        )
    size = size_of(place)
    return Shard(place, _patiently(place + INDEX, read))


def _patiently(place: str, ask: Callable[[Any, str], T]) -> T:
    """Call with the file system of a place and the path in it; an address is asked again where it fails.

    Raises:
        StorageError: If it goes on failing.
        UserError: If its kind of address is not known.
    """
    import fsspec

    try:
        files, path = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise UserError(f"{place}: {error}; install what it names, or type another address") from None
    waits = _WAITS if "://" in place else ()
    for wait in (*waits, None):
        try:
            return ask(files, path)
        except DataError:
            raise
        except Exception as error:  # each kind of store has errors of its own
            if wait is None or isinstance(error, FileNotFoundError):
                reason = str(error) or type(error).__name__
                raise StorageError(
                    f"cannot read {place}: {reason}; make sure that it can be reached"
                ) from None
            time.sleep(wait)
    raise AssertionError
