"""What masks hold that are not described yet: each is judged by itself, then all are taken together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median

import numpy as np
from jaxtyping import Integer
from PIL import Image, ImageFilter

from s4former.config.errors import DataError
from s4former.curation.init.soft_edges import Edges, blended, look_at_edges
from s4former.data.classes import Color, MaskValue
from s4former.data.dataset_yaml import ClassEntry
from s4former.data.palettes import Disagreement
from s4former.data.progress import Report, silent
from s4former.data.sources.labels import count_values
from s4former.data.sources.mask_files import NODATA, open_mask
from s4former.data.split_lists import first_few
from s4former.data.statistics import spread

MOST = 255
"""A data set has so many classes at most."""
_SAMPLE = 500
_BLUR_VALUES, _BLUR_SHARE, _EDGE = 8, 0.8, 9
_FREQUENT, _RARE, _FREQUENT_SHARE, _RARE_SHARE = 16, 32, 0.6, 1e-4


@dataclass(frozen=True)
class MaskLook:
    """What one mask holds.

    Attributes:
        name: Its folder and name.
        kind: How it stores values, as in ``8-bit``, ``palette``, ``color``.
        pixels: How many pixels hold each value or color.
        palette: Color of each value, in a file with a palette.
        pages: How many pages hold a class each; values are then the pages, counted from 1.
        nodata: The value that it declares to be no data.
        between_ends: Whether nearly all other pixels lie where the lowest and the highest value meet.
        edges: Where its values lie; none: nothing lies between them.
    """

    name: str
    kind: str
    pixels: Counter[MaskValue]
    palette: Mapping[int, Color] = field(default_factory=dict)
    pages: int = 0
    nodata: int | None = None
    between_ends: bool = False
    edges: Edges | None = None

    @property
    def in_color(self) -> bool:
        """Whether it holds colors rather than numbers."""
        return any(isinstance(value, tuple) for value in self.pixels)

    @cached_property
    def numbers(self) -> frozenset[int]:
        """The numbers that it holds, but for `NODATA`."""
        return frozenset(value for value in self.pixels if isinstance(value, int)) - {NODATA}

    @cached_property
    def is_soft(self) -> bool:
        """Whether it has many values, but nearly all pixels hold an end of them, or lie where ends meet."""
        if len(self.numbers) <= _BLUR_VALUES or self.in_color:
            return False
        low, high = min(self.numbers), max(self.numbers)
        ends = self.pixels[low] + self.pixels[high]
        most = ends > _BLUR_SHARE * self.pixels.total()
        return (most or self.between_ends) and high - low > len(self.numbers) / 2

    @cached_property
    def is_mixed(self) -> bool:
        """Whether it has few colors and many mixtures of them."""
        counts = sorted(self.pixels.values(), reverse=True)
        rare = counts[_FREQUENT:]
        return (
            self.in_color
            and len(rare) > _RARE
            and sum(counts[:_FREQUENT]) > _FREQUENT_SHARE * sum(counts)
            and median(rare) <= max(4, _RARE_SHARE * sum(counts))
        )


@dataclass(frozen=True)
class MaskSurvey:
    """What some masks hold.

    Attributes:
        looks: The masks that were looked at.
        of: How many there are.
    """

    looks: Sequence[MaskLook]
    of: int = 0

    @cached_property
    def kinds(self) -> Counter[str]:
        """How many masks there are of each kind."""
        return Counter(look.kind for look in self.looks)

    @cached_property
    def pixels(self) -> Counter[MaskValue]:
        """How many pixels hold each value or color, but for those that a file declares to be unknown."""
        pooled: Counter[MaskValue] = Counter()
        for look in self.looks:
            pooled.update(look.pixels)
        del pooled[NODATA]
        return pooled

    @cached_property
    def palette(self) -> dict[int, Color]:
        """Color of each index, the first file's where palettes disagree."""
        return {index: color for look in reversed(self.looks) for index, color in look.palette.items()}

    @cached_property
    def disagreement(self) -> Disagreement | None:
        """An index that two palettes give different colors; 255 does not count where it is one of several."""
        indices = {index for look in self.looks for index in look.palette}
        but_for = (MOST,) if len(indices) > 2 else ()
        return Disagreement.among(((look.name, look.palette) for look in self.looks), but_for)

    @cached_property
    def without_palette(self) -> list[str]:
        """Names of the masks of numbers without a palette; those that hold nothing but 0 do not count."""
        return self.named(lambda look: not look.palette and not look.in_color and look.numbers - {0})

    @cached_property
    def blended(self) -> tuple[list[MaskValue], bool]:
        """Values that lie nowhere but where two others meet, and whether smoothing made them surely."""
        return blended((look.edges, look.pixels.keys()) for look in self.looks)

    def share(self, names: Sequence[str]) -> str:
        """Return how many masks these are, and the first of them, for messages."""
        return f"{len(names)} of {len(self.looks)} masks ({first_few(list(names), 3)})"

    def named(self, wanted: Callable[[MaskLook], object]) -> list[str]:
        """Return the names of the masks of which something holds."""
        return [look.name for look in self.looks if wanted(look)]


@dataclass(frozen=True)
class Suggestion:
    """Classes for masks that are not described yet.

    Attributes:
        names: The classes.
        ignore: Values that seem to mean unknown.
        said: What was decided and how to change it, one sentence each.
    """

    names: tuple[ClassEntry, ...]
    ignore: tuple[MaskValue, ...]
    said: tuple[str, ...]


def require_few(count: int, what: str) -> None:
    """Refuse more different values than there can be classes.

    Raises:
        DataError: If there are.
    """
    if count > MOST:
        raise DataError(
            f"the masks hold more than {MOST} different {what}: these are no classes. If each object has a "
            "number or color of its own (instances), write its class instead; if they are photographs, "
            "--masks names the wrong folder"
        )


def survey_masks(files: Sequence[Path], report: Report = silent) -> MaskSurvey:
    """Look at masks, at most 500 of them, evenly spread.

    Raises:
        DataError: If masks cannot be read or their format cannot hold classes: all of them by name.
    """
    chosen = spread(files, _SAMPLE)
    looks, values = list[MaskLook](), set[MaskValue]()
    bad: dict[Path, DataError] = {}
    for number, file in enumerate(chosen, 1):
        try:
            look = _look(file)
        except DataError as error:
            bad[file] = error
            continue
        looks.append(look)
        values |= look.pixels.keys()
        if len(values) > MOST + 1 and not look.is_soft and not look.is_mixed:
            break
        report("looking at masks", number, len(chosen))
    if bad:
        named, first = first_few([file.name for file in bad]), next(iter(bad.values()))
        raise DataError(f"{len(bad)} of {len(chosen)} masks cannot be used ({named}); the first: {first}")
    return MaskSurvey(looks, len(files))


def _look(file: Path) -> MaskLook:
    mask = open_mask(file)
    pixels, kind = mask.pixels, mask.kind
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels, kind = pixels[..., 0], "gray saved as color"
    values, counts = count_values(pixels, pixels.ndim == 3)
    pooled = Counter(dict(zip(values, counts, strict=True)))
    name = f"{file.parent.name}/{file.name}"
    between = pixels.ndim == 2 and len(pooled) > _BLUR_VALUES and _lie_between_ends(pixels)
    edges = None if mask.palette or mask.pages or mask.unknown else look_at_edges(pixels, values)
    return MaskLook(name, kind, pooled, mask.palette, mask.pages, mask.nodata, between, edges)


def _lie_between_ends(pixels: Integer[np.ndarray, "h w"]) -> bool:
    """Whether nearly all pixels of middle values have both the lowest and the highest value near by."""
    low, high = pixels == pixels.min(), pixels == pixels.max()
    rest = ~(low | high)
    near = [
        np.array(Image.fromarray(end).convert("L").filter(ImageFilter.MaxFilter(_EDGE)))
        for end in (low, high)
    ]
    return bool((rest & (near[0] > 0) & (near[1] > 0)).sum() > _BLUR_SHARE * rest.sum())
