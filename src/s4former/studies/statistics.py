"""Means, spreads and paired intervals of a few numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """A sample in short.

    Attributes:
        count: How many numbers.
        mean: Their mean.
        spread: Their standard deviation (divided by ``count`` - 1); None of a single one.
        half_width: Half of the 95 % interval of the mean by Student's t; None of a single one.
    """

    count: int
    mean: float
    spread: float | None
    half_width: float | None

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return None if self.half_width is None else self.mean + self.half_width


def summarize(values: Sequence[float]) -> Summary:
    """Return mean, spread and interval of at least one number."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Summary(len(values), mean, None, None)
    spread = statistics.stdev(values)
    quantile = t_quantile(1 - (1 - CONFIDENCE) / 2, len(values) - 1)
    return Summary(len(values), mean, spread, quantile * spread / math.sqrt(len(values)))


def t_cdf(t: float, degrees: int) -> float:
    """Return the probability that Student's t is at most ``t``.

    Source:
        Abramowitz and Stegun, 26.7.3 and 26.7.4: a finite sum for whole degrees of freedom.
    """
    angle = math.atan2(t, math.sqrt(degrees))
    square = math.cos(angle) ** 2
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for index in range(degrees // 2):
        total += term
        top = 2 * index + (2 if odd else 1)
        term *= square * top / (top + 1)
    between = math.sin(angle) * total
    if odd:
        between = 2 / math.pi * (angle + between)
    return (1 + between) / 2


def t_quantile(probability: float, degrees: int) -> float:
    """Return the number that Student's t stays below with a probability of 0.5 or more, by bisection."""
    low, high = 0.0, 1.0
    while t_cdf(high, degrees) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2
