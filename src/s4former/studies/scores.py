"""The numbers of a comparison: by label count and row, and paired with reference rows, with Student's t."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from s4former.studies.plan import ALL

CONFIDENCE = 0.95
Record = Mapping[str, Any]
FIRST = "(first part)"
"""What the shared first parts are called among the rows."""


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


def by_group(records: Sequence[Record], rows: Sequence[str], against: Sequence[str]) -> list[dict[str, Any]]:
    """Return a line for each label count, row and network: what a table shows.

    Args:
        records: Of all finished runs.
        rows: The rows in their order.
        against: Reference rows, of which each paired difference is taken: the deployed network after the last
            step minus that of the reference in the same cell.
    """
    lines = []
    for group in dict.fromkeys(record["group"] for record in records):
        here = [record for record in records if record["group"] == group]
        for row in [FIRST, *rows]:
            own = [record for record in here if (record["row"] or FIRST) == row]
            if row == FIRST and len({record["folder"].rpartition("/")[2] for record in own}) > 1:
                own = [record for record in own if record["folder"].endswith("/first")]
            lines += _lines(group, row, own, here, against) if own else []
    return lines


def _lines(
    group: str, row: str, own: Sequence[Record], here: Sequence[Record], against: Sequence[str]
) -> list[dict[str, Any]]:
    lines = []
    deployed = own[0]["deployed"]
    for network in sorted(own[0]["networks"], key=lambda name: name != deployed):
        scored = [record["networks"][network] for record in own if network in record["networks"]]
        last = [each["last"] for each in scored if each["last"] is not None]
        if not last:
            continue
        lines.append(
            {
                "group": group,
                "row": row,
                "network": network,
                "deployed": network == deployed,
                "labeled": own[0]["labeled"],
                "last": _plain(summarize(last)),
                "best": _plain(summarize([each["best"] for each in scored if each["best"] is not None])),
                "minus": {
                    reference: difference
                    for reference in against
                    if reference != row and (difference := _paired(own, here, network, reference))
                },
                "images_per_second": _mean([record["images_per_second"] for record in own]),
                "peak_memory_mib": max((record["peak_memory_mib"] or 0 for record in own), default=0) or None,
                "minutes": _mean([record["seconds"] / 60 for record in own]),
            }
        )
    return lines


def _paired(
    own: Sequence[Record], here: Sequence[Record], network: str, reference: str
) -> dict[str, Any] | None:
    """Return the difference to the deployed network of a reference row, over the cells that have both."""
    theirs = {_cell(record): _deployed(record) for record in here if record["row"] == reference}
    pairs = [
        (record["networks"][network]["last"], theirs[_cell(record)])
        for record in own
        if theirs.get(_cell(record)) is not None and record["networks"][network]["last"] is not None
    ]
    return _plain(summarize([mine - other for mine, other in pairs])) if pairs else None


def _cell(record: Record) -> tuple[Any, ...]:
    return tuple(record["cell"].values())


def _deployed(record: Record) -> float | None:
    score: float | None = record["networks"].get(record["deployed"], {}).get("last")
    return score


def _plain(summary: Summary) -> dict[str, Any]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 3)

    return {
        "mean": rounded(summary.mean),
        "spread": rounded(summary.spread),
        "interval": None if summary.low is None else [rounded(summary.low), rounded(summary.high)],
        "cells": summary.count,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 2) if known else None


def verdicts(lines: Sequence[Mapping[str, Any]], reference: str) -> list[str]:
    """Return a plain sentence for each row and label count: whether it gains over the reference row."""
    return [
        f"{_labels(line)}: {line['row']} {_verdict(line['minus'][reference], reference)}"
        for line in lines
        if line["deployed"] and line["row"] != FIRST and reference in line["minus"]
    ]


def _labels(line: Mapping[str, Any]) -> str:
    count = f"{line['labeled']} labels"
    return f"all labels ({line['labeled']})" if line["group"] == ALL else count


def _verdict(difference: Mapping[str, Any], reference: str) -> str:
    cells = f"{difference['cells']} paired cell{'' if difference['cells'] == 1 else 's'}"
    gain = f"{difference['mean']:+.1f} points against {reference}"
    if difference["interval"] is None:
        return f"{gain} in {cells}: one pair shows neither gain nor loss"
    low, high = difference["interval"]
    said = "a gain is shown" if low > 0 else "a loss is shown" if high < 0 else "no gain is shown"
    few = "; two pairs are few for an interval" if difference["cells"] == 2 else ""
    return f"{gain}, {CONFIDENCE:.0%} interval {low:+.1f} to {high:+.1f}, {cells}: {said}{few}"


def label_efficiency(lines: Sequence[Mapping[str, Any]], baseline: str) -> list[dict[str, Any]]:
    """Return how many labels the baseline would need for the score of each row, at each label count.

    Between two measured label counts the baseline's mean is taken to rise linearly with the logarithm of the
    count; beyond them nothing is known, and ``beyond`` says on which side.
    """
    deployed = [line for line in lines if line["deployed"]]
    curve = sorted((line["labeled"], line["last"]["mean"]) for line in deployed if line["row"] == baseline)
    found = []
    for line in deployed:
        if line["row"] in (baseline, FIRST) or line["group"] == ALL or len(curve) < 2:
            continue
        worth, beyond = _labels_for(line["last"]["mean"], curve)
        found.append(
            {
                "row": line["row"],
                "labeled": line["labeled"],
                "score": line["last"]["mean"],
                "worth": worth,
                "beyond": beyond,
            }
        )
    return found


def _labels_for(score: float, curve: Sequence[tuple[int, float]]) -> tuple[int, str | None]:
    """Return the labels at which a curve reaches a score first."""
    if score < curve[0][1]:
        return curve[0][0], "below"
    for (few, low), (many, high) in pairwise(curve):
        if low <= score <= high and high > low:
            share = (score - low) / (high - low)
            return round(few * (many / few) ** share), None
    return (curve[-1][0], "above") if score > curve[-1][1] else (curve[0][0], None)
