"""Whether palettes of several mask files agree: an index means something only with its own palette."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from s4former.data.classes import Color


@dataclass(frozen=True)
class Disagreement:
    """One index that two files give different colors.

    Attributes:
        index: The index.
        first: Name of one file, and its color.
        second: Name of another file, and its color.
    """

    index: int
    first: tuple[str, Color]
    second: tuple[str, Color]

    @classmethod
    def among(
        cls, palettes: Iterable[tuple[str, Mapping[int, Color]]], but_for: Collection[int] = ()
    ) -> Self | None:
        """Return the first one among files, None if they agree.

        Args:
            palettes: Name of each file, and the color of each index that occurs in it.
            but_for: Indices that do not count, as they are ignored.
        """
        owners: dict[int, tuple[str, Color]] = {}
        for name, palette in palettes:
            for index, color in palette.items():
                owner = owners.setdefault(index, (name, color))
                if owner[1] != color and index not in but_for:
                    return cls(index, owner, (name, color))
        return None

    def __str__(self) -> str:
        (one, color), (other, another) = self.first, self.second
        return f"index {self.index} is {list(color)} in {one} and {list(another)} in {other}"


BY_COLOR = (
    "write the color of each class, as {name: NAME, values: [[220, 30, 30]]}, or let `s4former init IMAGES "
    "--masks MASKS --force` find them; if the numbers are right and the palettes do not matter, save the "
    "masks as gray PNG"
)
"""What to do where palettes disagree and classes are given by numbers."""
