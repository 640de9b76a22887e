"""How a score is worded, the same wherever it is shown: on screens, in JSON, in logs and in tables.

All functions take a line of ``scores.jsonl``, or a part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Line = Mapping[str, Any]


def percent(value: float | None) -> str:
    """Return a fraction as a percentage with two decimals, ``-`` if undefined."""
    return "-" if value is None else f"{100 * value:.2f}"


def interval(line: Line, score: str = "miou", name: str | None = None) -> str:
    """Return the interval of a score in percent, as in ``61.20 to 84.03``; of many images it is empty.

    Args:
        line: The line.
        score: Which of its scores.
        name: Of which class, for ``iou`` and ``acc``.
    """
    if not line.get("interval"):
        return ""
    low, high = (line["interval"][end][score] for end in ("low", "high"))
    if name is not None:
        low, high = low[name], high[name]
    return "-" if low is None else f"{percent(low)} to {percent(high)}"


def mean(line: Line) -> str:
    """Return the mean IoU with all that belongs to it: its interval, and the mean over present classes."""
    text = percent(line["miou"])
    if line.get("interval"):
        text += f" [{interval(line)}]"
    if line.get("counted_absent"):
        text += f" (over present classes {percent(line['miou_present'])})"
    return text


def remarks(line: Line) -> list[str]:
    """Return what a reader of the score must know: classes that count as 0, and that images are few."""
    split, absent, found = line["part"], line["counted_absent"], []
    if absent:
        are, them, they = ("are", "them", "they count") if len(absent) > 1 else ("is", "it", "it counts")
        found.append(
            f"{', '.join(absent)} {are} in no {split} mask, but some pixels were taken for {them}: {they} as "
            "0 in the mean IoU; over the present classes, those with a labeled pixel, the mean is "
            f"{percent(line['miou_present'])}"
        )
    images = f"{line['images']} {split} image{'' if line['images'] == 1 else 's'}"
    if line["interval"]:
        found.append(
            f"{images} are few: other images might give any score within the interval (95 %, bootstrap over "
            "images, rather too narrow); a difference within it means nothing"
        )
    elif line["images"] == 1:
        found.append(f"{images} cannot say how far to trust a score: no interval can be given")
    return found


def all_remarks(lines: Sequence[Line]) -> list[str]:
    """Return the remarks on several networks; after the network's name those that are not on all of them."""
    found: dict[str, list[str]] = {}
    for line in lines:
        for remark in line.get("remarks", ()):
            found.setdefault(remark, []).append(line["network"])
    return [
        remark if len(networks) == len(lines) else f"{', '.join(networks)}: {remark}"
        for remark, networks in found.items()
    ]


def caption(protocol: Line) -> str:
    """Return how a score was made: what the network saw, how often, and how exactly it computed."""
    own = protocol["short_side"]
    size = f"short side {own}" if own else "own size"
    if protocol["mode"] == "slide":
        crop, stride = (_pair(protocol[name]) for name in ("crop_size", "stride"))
        how = f"windows of {crop}, stride {stride}, {size}"
    else:
        how = f"whole images, {size}"
    scales = protocol["scales"]
    factors = ", ".join(f"{scale:g}" for scale in scales)
    flip = "with flip" if protocol["flip"] else "no flip"
    return f"{how}, scale{'s' if len(scales) > 1 else ''} {factors}, {flip}, {protocol['precision']}"


def differences(protocol: Line, other: Line, whose: str = "then") -> list[str]:
    """Return in which fields two protocols differ, as in ``evaluate.mode=whole (then: slide)``."""
    return [
        f"{'' if field == 'precision' else 'evaluate.'}{field}={_shown(protocol.get(field))} ({whose}: "
        f"{_shown(value)})"
        for field, value in other.items()
        if protocol.get(field) != value
    ]


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _pair(size: Any) -> str:
    return f"{size} x {size}" if isinstance(size, int) else f"{size[0]} x {size[1]}"
