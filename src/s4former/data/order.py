"""In which order a stream visits the images of a set: shuffled anew in each epoch, without an end."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from s4former.ops.randomness import keyed_generator


class Order:
    """An endless order of ``count`` images in which every epoch shows each image once.

    What is at position ``p`` is a pure function of (seed, stream, p): nothing is consumed, so any position
    can be asked for at any time. Two streams know nothing of each other, or of each other's number of images.

    Args:
        seed: Seed of the run.
        stream: Name of the stream, as in ``"labeled"``.
        count: Number of images, at least 1.
    """

    def __init__(self, seed: int, stream: str, count: int) -> None:
        self.seed, self.stream, self.count = seed, stream, count
        self._last: tuple[int, Int64[np.ndarray, " n"]] | None = None

    def __getitem__(self, position: int) -> int:
        """Return the number of the image at a position."""
        epoch, place = divmod(position, self.count)
        return int(self._epoch(epoch)[place])

    def _epoch(self, epoch: int) -> Int64[np.ndarray, " n"]:
        # Only a memory of the last answer: shuffling 100,000 numbers for each image would be slow.
        if self._last is None or self._last[0] != epoch:
            generator = keyed_generator(self.seed, f"{self.stream}/order", epoch)
            self._last = (epoch, generator.permutation(self.count))
        return self._last[1]
