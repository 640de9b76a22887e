"""Finds values that smoothing made: they lie nowhere but along edges, between the values that meet there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Integer, UInt8

from s4former.data.classes import MaskValue

_MOST_VALUES, _MOST_SOLID, _SAMPLE = 255, 24, 100_000
_LEAST_STEP = 32
"""Ends that differ by less are numbers of classes rather than gray levels."""
_MOST_ALONG_EDGES = 0.3
_SOLID_SHARE, _BETWEEN_SHARE, _MINGLED_SHARE = 0.02, 0.7, 0.1
_OFF = 6
"""How far a color may lie off the way from one color to another, in each channel."""


@dataclass(frozen=True)
class Edges:
    """Where the values of one mask lie.

    Attributes:
        solid: Values that some pixels hold with all of their neighbors.
        pixels: How many pixels hold each other value; of many, a sample.
        between: How many of these lie where two solid values meet between which the value lies.
        mingled: How many of these touch a pixel of another such value.
    """

    solid: frozenset[MaskValue] = frozenset()
    pixels: Counter[MaskValue] = field(default_factory=Counter)
    between: Counter[MaskValue] = field(default_factory=Counter)
    mingled: Counter[MaskValue] = field(default_factory=Counter)


def look_at_edges(pixels: Integer[np.ndarray, "h w *rgb"], values: Sequence[MaskValue]) -> Edges | None:
    """Return where the values of a mask lie; None if nothing can lie between them.

    Args:
        pixels: Numbers or colors.
        values: All that occur.
    """
    table = np.array(values, dtype=np.int64).reshape(len(values), -1)
    step = (table.max(axis=0) - table.min(axis=0)).max()
    if not 2 < len(values) <= _MOST_VALUES or not _LEAST_STEP <= step < 2**17:
        return None
    index = _indices(pixels, table)
    counts = np.bincount(index.ravel(), minlength=len(values))
    inner = np.bincount(index[1:-1, 1:-1][_is_like_all_around(index)], minlength=len(values))
    is_solid = inner > _SOLID_SHARE * counts
    solid, rest = np.flatnonzero(is_solid), np.flatnonzero(~is_solid)
    edges = Edges(frozenset(values[i] for i in solid.tolist()))
    few = 0 < counts[rest].sum() < _MOST_ALONG_EDGES * index.size
    if not few or not 2 <= len(solid) <= _MOST_SOLID:
        return edges
    at = [each[:: 1 + counts[rest].sum() // _SAMPLE] for each in np.nonzero(~is_solid[index])]
    own = index[at[0], at[1]]
    reach = 1 if table.shape[1] == 1 else 2  # a color has to lie on the way as well, which says more
    near = _near(index, at, reach, len(values))
    between = np.zeros(len(own), bool)
    for each in rest:
        for one, other in _ends(table[each], table[solid]):
            between |= (own == each) & near[solid[one]] & near[solid[other]]
    beside = _near(index, at, 1, len(values))[rest].sum(axis=0) > 1  # itself is one
    for found, chosen in ((edges.pixels, True), (edges.between, between), (edges.mingled, between & beside)):
        found.update({values[i]: int(((own == i) & chosen).sum()) for i in rest.tolist()})
    return edges


def blended(looks: Iterable[tuple[Edges | None, Iterable[MaskValue]]]) -> tuple[list[MaskValue], bool]:
    """Return the values that lie nowhere but between others in all masks, and if smoothing made them surely.

    A single one may be a class: a border that is drawn around objects. Several that take turns along an edge
    are none.

    Args:
        looks: Of each mask, where its values lie, and all of them.
    """
    solid, total = set[MaskValue](), Edges()
    for edges, values in looks:
        solid |= set(values) if edges is None else edges.solid
        if edges:
            total.pixels.update(edges.pixels)
            total.between.update(edges.between)
            total.mingled.update(edges.mingled)
    found = [
        value
        for value, count in total.pixels.items()
        if value not in solid and total.between[value] > _BETWEEN_SHARE * count
    ]
    mingled = sum(total.mingled[value] for value in found)
    sure = len(found) > 1 and mingled > _MINGLED_SHARE * sum(total.pixels[value] for value in found)
    return sorted(found), sure


def _indices(
    pixels: Integer[np.ndarray, "h w *rgb"], table: Integer[np.ndarray, "values channels"]
) -> UInt8[np.ndarray, "h w"]:
    """Return the place of each pixel's value among all."""
    codes = table @ 256 ** np.arange(table.shape[1])
    held = pixels.astype(np.int32) if pixels.ndim == 2 else np.zeros(pixels.shape[:2], np.int32)
    for channel in range(table.shape[1] if pixels.ndim == 3 else 0):
        held += pixels[..., channel].astype(np.int32) << 8 * channel
    places = np.zeros(codes.max() - codes.min() + 1, np.uint8)
    places[codes - codes.min()] = np.arange(len(codes))
    found: UInt8[np.ndarray, "h w"] = places[held - codes.min()]
    return found


def _is_like_all_around(index: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "inner_h inner_w"]:
    """Say of each pixel that does not touch the border whether all of its neighbors hold the same."""
    middle = index[:, 1:-1]
    rows = (index[:, :-2] == middle) & (index[:, 2:] == middle)
    found: Bool[np.ndarray, "inner_h inner_w"] = rows[:-2] & rows[1:-1] & rows[2:]
    found &= (middle[:-2] == middle[1:-1]) & (middle[2:] == middle[1:-1])
    return found


def _near(
    index: UInt8[np.ndarray, "h w"], at: Sequence[Integer[np.ndarray, " n"]], reach: int, count: int
) -> Bool[np.ndarray, "values n"]:
    """Say of pixels which values lie near by."""
    padded = np.pad(index, reach, mode="edge")
    near = np.zeros((count, len(at[0])), bool)
    every = np.arange(len(at[0]))
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            near[padded[at[0] + down, at[1] + right], every] = True
    return near


def _ends(
    value: Integer[np.ndarray, " channels"], solid: Integer[np.ndarray, "solid channels"]
) -> list[tuple[int, int]]:
    """Return the pairs of solid values on whose way to each other a value lies."""
    found = []
    for one in range(len(solid)):
        for other in range(one):
            way = solid[other] - solid[one]
            share = ((value - solid[one]) @ way) / max(1, way @ way)
            off = np.abs(solid[one] + share * way - value).max()
            if np.abs(way).max() >= _LEAST_STEP and 0 < share < 1 and off <= _OFF:
                found.append((one, other))
    return found
