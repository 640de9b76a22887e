"""Decoded images kept in memory, so that a small set is decoded once."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
from jaxtyping import UInt8

Pixels = UInt8[np.ndarray, "..."]


class ArrayCache:
    """Keeps the first arrays that fit, and never gives one up.

    Training visits every image once an epoch: forgetting the least recently used would drop each just before
    it is due again, while keeping the first ones spares the same share of the decoding in every epoch. What
    does not fit, such as one image larger than all of it, is handed out without being kept.

    Args:
        megabytes: Largest sum of the arrays' sizes, in 2**20 bytes.
    """

    def __init__(self, megabytes: float) -> None:
        self._free = int(megabytes * 2**20)
        self._arrays: dict[Hashable, Pixels] = {}

    def get(self, key: Hashable, read: Callable[[], Pixels]) -> Pixels:
        """Return the array of a key: the one kept, or a fresh one. Don't write to it."""
        if key in self._arrays:
            return self._arrays[key]
        array = read()
        if array.nbytes <= self._free:
            self._free -= array.nbytes
            array.flags.writeable = False
            self._arrays[key] = array
        return array
