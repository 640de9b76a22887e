"""Finds pictures that look the same: saved again, resized, or cut by a hair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt64

_BITS_APART = 3
_BAND_BITS = 16
_CHUNK = 2**18
_LEVELS_APART = 3.0
_PLAIN = 2.0
_STEP = 2.0
_ONES = np.array([number.bit_count() for number in range(256)], dtype=np.uint8)

Thumbnails = UInt8[np.ndarray, "n rows columns"]


def near_groups(thumbnails: Thumbnails) -> list[list[int]]:
    """Return groups of at least two pictures that look the same, as positions.

    A 64-bit difference hash proposes pairs: two hashes that differ in at most 3 of 64 bits agree in at least
    one of their four 16-bit bands, so only pictures that share a band are compared, and 100,000 need no 5
    billion comparisons. A pair counts if its thumbnails differ by at most 3 gray levels on average, and less
    in pictures of low contrast, where strangers differ by little. Plain pictures never count.

    Source: the difference hash as in common use (brighter or darker than the neighbor on the left, in an 8 by
    8 grid). **We differ:** a neighbor must be brighter by more than 2 levels, so that compression noise in
    plain areas sets no bits.

    Args:
        thumbnails: Gray pictures of 16 rows and 18 columns.
    """
    contrast = thumbnails.reshape(len(thumbnails), -1).std(axis=1)
    kept = np.flatnonzero(contrast >= _PLAIN)
    pictures, allowed = thumbnails[kept], np.minimum(_LEVELS_APART, 0.5 + 0.15 * contrast[kept])
    group = np.arange(len(kept))  # the first place known of each picture's group
    for first, second in _candidates(difference_hash(pictures)):
        apart = group[first] != group[second]
        first, second = first[apart], second[apart]
        levels = np.abs(pictures[first].astype(np.int16) - pictures[second]).mean(axis=(1, 2))
        same = levels <= np.minimum(allowed[first], allowed[second])
        for one, other in zip(first[same].tolist(), second[same].tolist(), strict=True):
            group[_root(group, one)] = _root(group, other)
        while same.any() and (group != group[group]).any():
            group = group[group]
    members: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(group.tolist()):
        members[number].append(int(kept[place]))
    return [places for places in members.values() if len(places) > 1]


def difference_hash(thumbnails: Thumbnails) -> UInt64[np.ndarray, " n"]:
    """Return 64 bits a picture: where a cell of an 8 by 9 grid is brighter than the one on its left."""
    count = len(thumbnails)
    cells = thumbnails.reshape(count, 8, 2, 9, 2).mean(axis=(2, 4))
    brighter = cells[:, :, 1:] - cells[:, :, :-1] > _STEP
    return np.packbits(brighter.reshape(count, 64), axis=1).view(np.uint64).reshape(count)


def _candidates(
    hashes: UInt64[np.ndarray, " n"],
) -> Iterator[tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]]:
    """Return pairs of places whose hashes are near, each pair once, some at a time."""
    bands = [hashes >> np.uint64(shift) & np.uint64(2**_BAND_BITS - 1) for shift in range(0, 64, _BAND_BITS)]
    for number, band in enumerate(bands):
        order = np.argsort(band, kind="stable")
        ordered = band[order]
        starts = np.arange(len(order))
        for offset in range(1, len(order)):  # neighbors first, then neighbors but one ... within equal bands
            starts = starts[starts + offset < len(order)]
            starts = starts[ordered[starts] == ordered[starts + offset]]
            if not len(starts):
                break
            for chunk in np.array_split(starts, -(-len(starts) // _CHUNK)):
                first, second = order[chunk], order[chunk + offset]
                new = _near(hashes[first], hashes[second])
                for earlier in bands[:number]:
                    new &= earlier[first] != earlier[second]
                if new.any():
                    yield first[new], second[new]


def _near(
    first: UInt64[np.ndarray, " pairs"], second: UInt64[np.ndarray, " pairs"]
) -> Bool[np.ndarray, " pairs"]:
    apart: Bool[np.ndarray, " pairs"]
    apart = _ONES[(first ^ second).view(np.uint8).reshape(-1, 8)].sum(axis=1) <= _BITS_APART
    return apart


def _root(group: Int64[np.ndarray, " n"], place: int) -> int:
    while group[place] != place:
        place = int(group[place])
    return place
