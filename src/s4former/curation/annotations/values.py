"""Labels to mask values."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from s4former.curation.annotations import reading
from s4former.curation.annotations.shapes import Notes, Shape
from s4former.types import IGNORE

SPECIAL_LABELS = ("__ignore__", "_background_")
"""Labels with a meaning instead of a class, as in labelme: pixels to ignore, and pixels outside of all
classes."""


class LabelValues:
    """Turns labels into mask values.

    Attributes:
        outside: The value of pixels in no shape.
        unknown: Labels that were asked for and are no class, and how often each was.
    """

    def __init__(self, names: Sequence[str], outside: int) -> None:
        self.outside = outside
        self._names = names
        special = dict(zip(SPECIAL_LABELS, (IGNORE, outside), strict=True))
        self._values: dict[str, int] = {**special, **{name: index for index, name in enumerate(names)}}
        self._counted = [index for index in range(len(names)) if index != outside]
        self.unknown: Counter[str] = Counter()
        self._first = ""

    def value(self, shape: Shape, notes: Notes) -> int | None:
        """Return the value of a shape; None if its label is no class.

        Labels of shapes without an outline need be none: they may be landmarks, which take part in no class.
        """
        label = shape.label
        if label is None:
            value = None
        elif isinstance(label, str):
            value = self._values.get(label)
        else:
            value = self._counted[label] if label < len(self._counted) else None
            if value is not None:
                notes.add(
                    f"shapes of class number {label}, taken for {self._names[value]!r} as there is neither "
                    "data.yaml nor classes.txt",
                    shape.where,
                )
        if value is None and not shape.unknown:
            self._first = self._first or shape.where
            self.unknown[str(label)] += 1
        return value

    def complaint(self) -> str:
        """Say which labels are unknown, how often they occur, and what to do."""
        parts = []
        for label, count in self.unknown.most_common(5):
            near = difflib.get_close_matches(label.lower(), [name.lower() for name in self._names], 2, 0.6)
            close = " or ".join(repr(name) for name in self._names if name.lower() in near)
            times = "shape" if count == 1 else "shapes"
            parts.append(f"{reading.short(label)} ({count} {times}{f', perhaps {close}' if close else ''})")
        more = f" and {len(self.unknown) - 5} more" if len(self.unknown) > 5 else ""
        return (
            f"{self._first}: unknown labels in the annotations: {', '.join(parts)}{more}; the classes are "
            f"{', '.join(map(repr, self._names))}. Add each new class to names in dataset.yaml; "
            "if it is another spelling, write it there as the annotations do"
        )
