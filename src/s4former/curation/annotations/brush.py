"""Label Studio's run lengths of brushed regions.

Source: the format's description in the readme of ``@thi.ng/rle-pack``: 32 bits number of words, 5 bits word
size less one, four times 4 bits width of a count less one; then blocks of 1 bit (repeated or as they are),
2 bits which width the count has, the count less one, and one word or as many as counted. Label Studio packs
an RGBA picture of 8-bit words; as in its own export every pixel counts whose alpha is not 0, since tools
that hand it masks don't agree on how opaque they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8

from s4former.config.errors import DataError
from s4former.curation.annotations.shapes import Bitmap


def decode_brush(packed: Any, height: int, width: int, where: str) -> Bitmap:
    """Return the brushed pixels of an image.

    Args:
        packed: The bytes as a list of numbers.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        where: What errors call it.

    Raises:
        DataError: If they are broken or of another size.
    """
    try:
        data = np.array(packed, dtype=np.uint8)
        words = _unpack(data, 4 * height * width)
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise DataError(
            f"{where}: cannot read the run lengths of its brush: {error}; export it again"
        ) from error
    return Bitmap(words.reshape(height, width, 4)[:, :, 3] > 0)


def _unpack(data: UInt8[np.ndarray, " n"], expected: int) -> UInt8[np.ndarray, " m"]:
    bits = np.unpackbits(data)
    at = 0

    def read(width: int) -> int:
        nonlocal at
        if at + width > len(bits):
            raise ValueError("they break off")
        found = int.from_bytes(np.packbits(bits[at : at + width]).tobytes()) >> (-width % 8)
        at += width
        return found

    total, word_size = read(32), read(5) + 1
    if (total, word_size) != (expected, 8):
        raise ValueError(f"they hold {total} words of {word_size} bits, the image has {expected} of 8")
    widths = [read(4) + 1 for _ in range(4)]
    words = np.empty(total, dtype=np.uint8)
    done = 0
    while done < total:
        repeated = read(1)
        count = read(widths[read(2)]) + 1
        if done + count > total:
            raise ValueError("they hold more words than they say")
        if repeated:
            words[done : done + count] = read(8)
        else:
            if at + 8 * count > len(bits):
                raise ValueError("they break off")
            words[done : done + count] = np.packbits(bits[at : at + 8 * count])
            at += 8 * count
        done += count
    return words
