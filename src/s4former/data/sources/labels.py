"""What mask files hold to class indices, by lookup tables."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Integer, UInt8, UInt16, UInt32

from s4former.config.errors import DataError
from s4former.data.advice import advice
from s4former.data.classes import Classes, Color, MaskValue, shown
from s4former.data.sources.mask_files import NODATA, Reading, decode_mask
from s4former.types import IGNORE

MaskPixels = Integer[np.ndarray, "h w"] | UInt8[np.ndarray, "h w 3"]

UNKNOWN = IGNORE + 1
"""What `LabelMap.indices` gives for values that are neither a class nor to be ignored."""
_NUM_VALUES, _NUM_COLORS = 2**16, 2**24


class LabelMap:
    """Turns the values or RGB colors of a mask file into class indices.

    A gray level ``g`` and the color ``[g, g, g]`` are one thing: so masks that a program saved as RGB though
    they hold numbers are read by these numbers.

    Args:
        classes: The classes with their values, and the values that become `IGNORE`.

    Pixels that a file itself declares to be unknown (`NODATA`) are ignored.

    Attributes:
        colors: Whether any class is given by a color; palette files are then read by their colors.
        reading: What this means for opening mask files.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self._meanings = classes.meanings
        self.colors = any(isinstance(value, tuple) for value in self._meanings)
        numbers = {value: index for value, index in self._meanings.items() if isinstance(value, int)}
        self._by_value = _table(self._grays() | numbers, _NUM_VALUES)
        self._beyond = {value: index for value, index in numbers.items() if not 0 <= value < _NUM_VALUES}
        self._beyond[NODATA] = IGNORE
        own = [value for value, index in numbers.items() if index != IGNORE]
        self.reading = Reading(self.colors, tuple(sorted(numbers)), max(own, default=None))

    @cached_property
    def _by_color(self) -> UInt16[np.ndarray, " colors"]:
        colors = {_code(value): index for value, index in self._meanings.items() if isinstance(value, tuple)}
        numbers = {
            _code((value, value, value)): index
            for value, index in self._meanings.items()
            if isinstance(value, int) and 0 <= value < 256
        }
        return _table(numbers | colors, _NUM_COLORS)

    def _grays(self) -> dict[int, int]:
        """Return the class index of each gray level that is given as a color."""
        colors = [(value, index) for value, index in self._meanings.items() if isinstance(value, tuple)]
        return {red: index for (red, green, blue), index in colors if red == green == blue}

    def read(self, file: Path) -> UInt8[np.ndarray, "h w"]:
        """Return the class indices and `IGNORE` of a mask file.

        Raises:
            DataError: If it cannot be read, or holds a value that is neither a class nor to be ignored.
        """
        return self(decode_mask(file, self.reading), str(file))

    def __call__(self, pixels: MaskPixels, name: str) -> UInt8[np.ndarray, "h w"]:
        """Return class indices and `IGNORE`.

        Args:
            pixels: The mask as the file holds it, values or colors.
            name: What the error calls the mask.

        Raises:
            DataError: If a value is neither a class nor to be ignored; the message says which, how often, and
                what to write to mend it.
        """
        found = self.indices(pixels)
        if found.size and found.max() == UNKNOWN:
            raise DataError(self._complaint(pixels, found, name))
        labels: UInt8[np.ndarray, "h w"] = found.astype(np.uint8)
        return labels

    def indices(self, pixels: MaskPixels) -> UInt16[np.ndarray, "h w"]:
        """Return class indices, `IGNORE` and, where a value has no meaning, `UNKNOWN`."""
        found: UInt16[np.ndarray, "h w"]
        found = self._by_color[_codes(pixels)] if pixels.ndim == 3 else self._look_up(pixels)
        return found

    def _look_up(self, values: Integer[np.ndarray, "h w"]) -> UInt16[np.ndarray, "h w"]:
        if values.dtype in (np.uint8, np.uint16):
            found: UInt16[np.ndarray, "h w"] = self._by_value[values]
            return found
        inside = (values >= 0) & (values < _NUM_VALUES)
        found = np.where(inside, self._by_value[np.where(inside, values, 0)], np.uint16(UNKNOWN))
        if not inside.all():
            for value, index in self._beyond.items():
                found[values == value] = index
        return found

    def _complaint(self, pixels: MaskPixels, found: UInt16[np.ndarray, "h w"], name: str) -> str:
        """Say which values are unknown, how often each occurs, and the likeliest ways to repair it."""
        unknown, counts = count_values(pixels[found == UNKNOWN], pixels.ndim == 3)
        present = {int(index) for index in np.unique(found)} - {UNKNOWN}
        listed = ", ".join(
            f"{shown(value)} ({count} pixels)" for value, count in zip(unknown[:5], counts[:5], strict=True)
        )
        more = f" and {len(unknown) - 5} more values" if len(unknown) > 5 else ""
        return (
            f"{name}: unknown label value {listed}{more}; expected {self.expected()}. "
            f"{advice(self.classes, unknown, present)}"
        )

    def expected(self) -> str:
        """Return which values masks may hold, for messages."""
        ignored = ", ".join(map(shown, self.classes.ignore)) or "nothing"
        if self.classes.values is None:
            return f"0 to {len(self.classes) - 1} for the classes, or {ignored} to ignore"
        known = [
            f"{', '.join(map(shown, own))} ({name})"
            for name, own in zip(self.classes.names, self.classes.values, strict=True)
        ]
        more = f" and those of {len(known) - 8} more classes" if len(known) > 8 else ""
        return f"{', '.join(known[:8])}{more}, or {ignored} to ignore"


def _table(meanings: dict[int, int], size: int) -> UInt16[np.ndarray, " size"]:
    table = np.full(size, UNKNOWN, dtype=np.uint16)
    for value, index in meanings.items():
        if 0 <= value < size:
            table[value] = index
    return table


def _code(color: Color) -> int:
    red, green, blue = color
    return red << 16 | green << 8 | blue


def _codes(pixels: Integer[np.ndarray, "*axes 3"]) -> UInt32[np.ndarray, "*axes"]:
    """Return RGB colors as one number each."""
    red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
    codes: UInt32[np.ndarray, "*axes"] = red << 16 | green << 8 | blue
    return codes


def count_values(pixels: Integer[np.ndarray, "*axes"], in_color: bool) -> tuple[list[MaskValue], list[int]]:
    """Return the different values or colors, the most frequent first, and how many pixels hold each.

    Args:
        pixels: Values, or RGB colors in the last axis.
        in_color: Which of both.
    """
    found, counts = np.unique(_codes(pixels) if in_color else pixels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    values: list[MaskValue] = found[order].tolist()
    if in_color:
        values = [(code >> 16, code >> 8 & 255, code & 255) for code in found[order].tolist()]
    return values, counts[order].tolist()
