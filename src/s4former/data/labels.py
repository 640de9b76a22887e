"""Mask values to class indices, by one lookup table."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer, UInt8

from s4former.config.errors import DataError
from s4former.data.sources.base import Classes
from s4former.types import IGNORE

_TABLE_SIZE = 2**16


class LabelMap:
    """Turns the values of a mask file into class indices; value ``i`` is class ``i``.

    Args:
        classes: The classes, and the values that become `IGNORE`.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self._known = np.zeros(_TABLE_SIZE, dtype=bool)
        self._index = np.full(_TABLE_SIZE, IGNORE, dtype=np.uint8)
        self._known[: len(classes)] = True
        self._index[: len(classes)] = np.arange(len(classes))
        self._known[[value for value in classes.ignore if 0 <= value < _TABLE_SIZE]] = True

    def __call__(self, values: Integer[np.ndarray, "h w"], name: str) -> UInt8[np.ndarray, "h w"]:
        """Return class indices and `IGNORE`.

        Args:
            values: The mask as the file holds it.
            name: What the error calls the mask.

        Raises:
            DataError: If a value is neither a class nor to be ignored.
        """
        fits = (
            values.dtype in (np.uint8, np.uint16)
            or not values.size
            or 0 <= values.min() <= values.max() < _TABLE_SIZE
        )
        if not fits or not self._known[values].all():
            raise DataError(self._complaint(values, name))
        labels: UInt8[np.ndarray, "h w"] = self._index[values]
        return labels

    def _complaint(self, values: Integer[np.ndarray, "h w"], name: str) -> str:
        """Say which values are unknown, how often each occurs, and the likeliest ways to repair it."""
        found, counts = np.unique(values, return_counts=True)
        known = {*range(len(self.classes)), *self.classes.ignore}
        unknown = [
            (int(value), int(count)) for value, count in zip(found, counts, strict=True) if value not in known
        ]
        shown = ", ".join(f"{value} ({count} pixels)" for value, count in unknown[:5])
        more = f" and {len(unknown) - 5} more values" if len(unknown) > 5 else ""
        ignored = ", ".join(map(str, self.classes.ignore)) or "nothing"
        return (
            f"{name}: unknown label value {shown}{more}; expected 0 to {len(self.classes) - 1} for the "
            f"classes, or {ignored} to ignore. {self._advice(unknown)}"
        )

    def _advice(self, unknown: list[tuple[int, int]]) -> str:
        values = [value for value, _ in unknown]
        if values == [len(self.classes)]:
            return (
                f"If classes are counted from 1 in this file, subtract 1 from its values; "
                f"if {values[0]} is one more class, add its name to the names."
            )
        listed = ", ".join(map(str, values[:5]))
        if values == [255] and len(self.classes) == 2:
            return (
                "If 255 means foreground, write 1 instead; "
                "if it means unknown, add it to ignore_index in the classes file."
            )
        return (
            f"If {listed} means unknown, add it to ignore_index in the classes file; "
            "if it is a class, give it the next free index and add its name to the names."
        )
