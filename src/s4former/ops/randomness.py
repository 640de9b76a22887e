"""Keyed random numbers: a draw is a function of (seed, stream, counters), never of what was drawn before."""

from __future__ import annotations

import hashlib

import numpy as np


def keyed_generator(seed: int, stream: str, *counters: int) -> np.random.Generator:
    """Return the generator of one named draw.

    Two calls with the same arguments give the same numbers, in any process and in any order; a different
    stream or counter gives independent ones.

    Args:
        seed: Seed of the run, at least 0.
        stream: What is drawn, as in ``"labeled/crop"``.
        counters: Up to three numbers that name the draw, as in step and sample index, each at least 0.

    Raises:
        ValueError: If there are more than three counters or any number is negative.
    """
    if len(counters) > 3 or seed < 0 or any(counter < 0 for counter in counters):
        raise ValueError(f"a draw is named by a seed and up to three counters >= 0, got {seed}, {counters}")
    digest = hashlib.blake2b(f"{seed}\0{stream}".encode(), digest_size=16).digest()
    key = np.frombuffer(digest, dtype=np.uint64)
    # The first counter word is left to the generator: it counts the blocks of numbers consumed.
    words = np.array([0, *counters, *[0] * (3 - len(counters))], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=words))
