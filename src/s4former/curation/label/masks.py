"""Masks in a person's own values or colors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image as PilImage

from s4former.config.errors import UserError
from s4former.data.classes import Classes, MaskValue
from s4former.inference.overlay import index_picture, write_png
from s4former.types import IGNORE

_LARGEST = 2**16 - 1
_UNKNOWN = (224, 224, 224)


class MaskEncoder:
    """Writes class indices as the values that a data set's masks hold: the first one of each class.

    Args:
        classes: The classes, with what their pixels hold.

    Attributes:
        classes: The same; where no value meant unknown, one does now.
    """

    def __init__(self, classes: Classes) -> None:
        values = classes.values or tuple((index,) for index in range(len(classes)))
        first = [own[0] for own in values]
        self._colored = any(isinstance(value, tuple) for value in (*first, *classes.ignore[:1]))
        unknown = classes.ignore[0] if classes.ignore else _unused(classes, self._colored)
        self.classes = (
            classes if classes.ignore else Classes(classes.names, classes.colors, (unknown,), values)
        )
        numbers = [0, *(value for value in (*first, unknown) if isinstance(value, int))]
        largest = max(numbers)
        if largest > (255 if self._colored else _LARGEST) or min(numbers) < 0:
            raise UserError(
                f"masks of the values {[*first, unknown]} cannot be written as PNG, which holds 0 to "
                f"{_LARGEST}; give the classes, or what is ignored, other values in dataset.yaml, and train "
                "again"
            )
        self._palette = not self._colored and unknown == IGNORE and first == [*range(len(classes))]
        self._table = self._lookup(first, unknown, largest)

    def _lookup(
        self, first: list[MaskValue], unknown: MaskValue, largest: int
    ) -> Shaped[np.ndarray, "*entries"]:
        entries = [*first, *([unknown] * (IGNORE + 1 - len(first)))]
        if self._colored:
            entries = [value if isinstance(value, tuple) else (value,) * 3 for value in entries]
        return np.array(entries, np.uint8 if self._colored or largest < 256 else np.uint16)

    def write(self, mask: UInt8[np.ndarray, "h w"], path: Path) -> None:
        """Write a mask as PNG: with a palette where its values are the class indices."""
        if self._palette:
            colors = self.classes.colors  # and one for unknown: a shorter palette has no room for it
            palette = (*colors, *[_UNKNOWN] * (IGNORE + 1 - len(colors)))
            write_png(index_picture(mask, palette), path)
        else:
            write_png(PilImage.fromarray(self._table[mask]), path)


def _unused(classes: Classes, colored: bool) -> MaskValue:
    """Return a value that no class has."""
    for level in range(IGNORE, -1, -1):
        if not {level, (level, level, level)} & classes.meanings.keys():
            return (level, level, level) if colored else level
    return _LARGEST if not colored else (255, 0, 254)
