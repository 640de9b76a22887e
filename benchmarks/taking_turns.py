"""Ways to do one thing, timed in turns in one process on one thread, in its CPU seconds."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

from s4former.config import versions
from s4former.config.record import hardware

Ways = Mapping[str, Callable[[], object]]
"""What is timed, by name."""


def seconds_of(ways: Ways, rounds: int) -> dict[str, float]:
    """Return the median CPU seconds of each way; a first round, which warms up, does not count."""
    spent = defaultdict(list)
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            spent[name].append(time.process_time() - start)
    return {name: statistics.median(seconds[1:]) for name, seconds in spent.items()}


def main(
    about: str | None,
    rounds: int,
    unit: str,
    measure: Callable[[int], Iterable[tuple[str, Mapping[str, float]]]],
) -> None:
    """Measure, print and write.

    Args:
        about: What the script says of itself.
        rounds: How many rounds there are by default.
        unit: What is measured, as the file names it.
        measure: Returns the name of each comparison and what each of its ways took, in so many rounds.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Mapping[str, float]] = {}
    for name, measured in measure(options.rounds):
        found[name] = measured
        print(name, measured, flush=True)
        if options.out:
            record = {"hardware": hardware(), "versions": versions(), "rounds": options.rounds, unit: found}
            options.out.write_text(json.dumps(record, indent=1) + "\n")
