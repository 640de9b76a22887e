"""Which images a tar shard holds and where, told by an index beside it, so that any of them is one read away.

The index of ``photos-000000.tar`` is ``photos-000000.tar.index``: a line that says how large the shard is and
how many images it has, then a line for each with its first byte, number of bytes, CRC-32 and name.
"""

from __future__ import annotations

import tarfile
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from jaxtyping import Int64, UInt32

from s4former.config.errors import DataError
from s4former.data.sources.decoding import decoding
from s4former.data.split_lists import EXPECTED, SUFFIXES, normal, strip_suffix

INDEX = ".index"
"""What the name of a shard's index has more than the shard's."""
_FORMAT = "s4former-shard-index/1"
_LARGEST = 2**30  # bytes of one image file
_AT_ONCE = 2**20


@dataclass(frozen=True)
class Member:
    """An image in a shard: its first byte, number of bytes, CRC-32, and name as `normal` has it."""

    offset: int
    size: int
    checksum: int
    name: str


@dataclass(frozen=True)
class ShardIndex:
    """The images of one shard, as arrays: 28 bytes for each and its name.

    Attributes:
        offsets: First byte of each image in the shard.
        sizes: Its number of bytes.
        checksums: Its CRC-32.
        names: All names in UTF-8, a line feed before each and after the last.
        starts: Where each name starts, and one more for the end.
    """

    offsets: Int64[np.ndarray, " n"]
    sizes: Int64[np.ndarray, " n"]
    checksums: UInt32[np.ndarray, " n"]
    names: bytes
    starts: Int64[np.ndarray, " n+1"]

    @classmethod
    def of(cls, members: Iterable[Member], place: str, shard_size: int) -> ShardIndex:
        """Collect the images of a shard.

        Raises:
            DataError: If there is none, two have one name, or one has a bad name or lies outside of it.
        """
        numbers, starts = (array("q"), array("q"), array("q")), array("q")
        names, seen = bytearray(b"\n"), set[str]()
        for member in members:
            _require_sound(member, place, shard_size)
            id = strip_suffix(member.name)
            if id in seen:
                raise DataError(f"the shard {place} holds two images {id}; {_REPACK}")
            seen.add(id)
            for numbers_of, value in zip(numbers, (member.offset, member.size, member.checksum), strict=True):
                numbers_of.append(value)
            starts.append(len(names))
            names += f"{member.name}\n".encode()
        if not seen:
            raise DataError(f"the shard {place} holds no image; {EXPECTED}")
        starts.append(len(names))
        offsets, sizes, checksums = (np.array(values, np.int64) for values in numbers)
        return cls(offsets, sizes, checksums.astype(np.uint32), bytes(names), np.array(starts, np.int64))

    def __len__(self) -> int:
        return len(self.offsets)

    def name(self, row: int) -> str:
        """Return the name of an image."""
        return self.names[self.starts[row] : self.starts[row + 1] - 1].decode()

    def row(self, id: str) -> int | None:
        """Return which image is called so but for its ending, None if none is."""
        place, wanted = 0, f"\n{id}.".encode()
        while (place := self.names.find(wanted, place)) >= 0:
            row = int(np.searchsorted(self.starts, place + 1))
            if strip_suffix(self.name(row)) == id:
                return row
            place += 1
        return None

    def lines(self, shard_size: int) -> Iterator[str]:
        """Yield the lines of the index file."""
        yield f"{_FORMAT} {shard_size} {len(self)}\n"
        for row in range(len(self)):
            numbers = f"{self.offsets[row]} {self.sizes[row]} {self.checksums[row]:08x}"
            yield f"{numbers} {self.name(row)}\n"


def read_index(lines: Iterable[bytes], place: str, shard_size: int) -> ShardIndex:
    """Read the index of a shard.

    Args:
        lines: Its lines.
        place: Where the shard is.
        shard_size: How many bytes the shard has.

    Raises:
        DataError: If it is none, or that of another shard.
    """
    lines = iter(lines)
    again = f"make it anew: delete it and type `s4former shards index {place}`"
    try:
        kind, size, count = next(lines, b"").decode().split()
        if kind != _FORMAT:
            raise ValueError(kind)
        if int(size) != shard_size:
            raise DataError(
                f"{place}{INDEX} is the index of a shard of {int(size):,} bytes, and {place} has "
                f"{shard_size:,}: the shard has changed, or was not copied to its end; {again}"
            )
        index = ShardIndex.of(map(_member, lines), place, shard_size)
        if len(index) != int(count):
            raise ValueError("cut off")
    except (ValueError, OverflowError):
        raise DataError(f"{place}{INDEX} is not the index of a shard, or it is damaged; {again}") from None
    return index


def _member(line: bytes) -> Member:
    offset, size, checksum, name = line.decode().rstrip("\n").split(" ", 3)
    return Member(int(offset), int(size), int(checksum, 16), name)


def scan(file: BinaryIO, place: str, shard_size: int) -> ShardIndex:
    """Look through a tar file for its images, reading each once for its checksum.

    Files that are no images, as the labels and texts in the shards of others, are passed over.

    Raises:
        DataError: If it is no plain tar file, or holds links, devices, or names that lead out of a folder.
    """
    with decoding(Path(place), "shard"), tarfile.open(fileobj=file, mode="r:") as shard:
        return ShardIndex.of(_members(shard, file, place), place, shard_size)


def _members(shard: tarfile.TarFile, file: BinaryIO, place: str) -> Iterator[Member]:
    while (info := shard.next()) is not None:
        shard.members = []  # type: ignore[attr-defined]  # else it would keep all of them
        if info.isdir():
            continue
        if not info.isreg() or info.issparse():
            raise DataError(
                f"the shard {place} holds {_kind(info)}, {info.name!r}, where only files may be; {_REPACK}"
            )
        problem = bad_name(info.name)
        if problem:
            raise DataError(f"the shard {place} holds {info.name!r}, {problem}; {_REPACK}")
        if PurePosixPath(info.name).suffix.lower() in SUFFIXES:
            after = file.tell()
            yield Member(info.offset_data, info.size, _checksum(file, info), normal(info.name))
            file.seek(after)


_REPACK = "pack its images again with `s4former shards make`"


def _kind(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return f"a link to {info.linkname!r}"
    return "a sparse file" if info.issparse() else "a device or pipe"


def bad_name(name: str) -> str | None:
    """Return what is wrong with the name of a file in a shard, None if it names a place below a folder."""
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or name[1:2] == ":":
        return "whose name leads out of the shard"
    if not name.isprintable():  # also what is not UTF-8
        return "whose name holds characters that cannot be printed"
    return None


def _require_sound(member: Member, place: str, shard_size: int) -> None:
    problem = bad_name(member.name)
    if problem is None and member.size > _LARGEST:
        problem = f"of {member.size:,} bytes; an image may have {_LARGEST:,}"
    if problem is None and not 0 <= member.offset <= member.offset + member.size <= shard_size:
        problem = f"which would end after the {shard_size:,} bytes that the shard has"
    if problem:
        raise DataError(f"the shard {place} holds {member.name!r}, {problem}; {_REPACK}")


def _checksum(file: BinaryIO, info: tarfile.TarInfo) -> int:
    file.seek(info.offset_data)
    checksum, left = 0, info.size
    while left > 0 and (block := file.read(min(left, _AT_ONCE))):
        checksum, left = zlib.crc32(block, checksum), left - len(block)
    return checksum
