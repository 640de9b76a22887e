"""How many threads a run should take where other programs compute too, and how they should wait.

    python benchmarks/busy.py --out benchmarks/results/busy.json

Each number is the median time of an S4Former step in a fresh process, beside 0, 1, ... programs that keep a
core busy each. Settings take turns, so that what else the machine does meets all of them alike;
``load`` beside them is the machine's load average before each, which counts other users too.
``passive`` is OMP_WAIT_POLICY=PASSIVE: threads that have nothing to do sleep; by default they spin first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from s4former.config import versions
from s4former.config.record import hardware

WAITS = {"default": {}, "passive": {"OMP_WAIT_POLICY": "PASSIVE"}}


def run_named(name: str) -> Any:
    """Return the demo's run, or one with the network and crops that `s4former init` suggests on a CPU."""
    from s4former.models import ModelConfig
    from s4former.recipes import load_run

    if name == "demo":
        return load_run("demo")[0].resolved()
    run, _ = load_run(
        "demo", ["data.crop_size=224", "data.labeled_batch_size=4", "data.unlabeled_batch_size=4"]
    )
    model = ModelConfig(frozen_blocks=6, head={"name": "linear", "out_indices": [10]})
    return run.model_copy(update={"model": model}).resolved()


def worker(name: str) -> None:
    """Print the seconds of a step."""
    from s4former.curation import open_source
    from s4former.engine.timing import measure_pace

    run = run_named(name)
    paces = [measure_pace(run, open_source(run.data)).step for _ in range(3 if name == "demo" else 1)]
    print(statistics.median(paces))


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """Keep so many cores busy."""
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def seconds(name: str, threads: int, wait: str) -> float:
    """Return the seconds of a step with a setting, in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
    environment |= {"OMP_NUM_THREADS": str(threads), **WAITS[wait]}
    command = [sys.executable, __file__, "--worker", name]
    return float(subprocess.check_output(command, env=environment, text=True).split()[-1])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", nargs="+", default=["demo", "dataset"], choices=["demo", "dataset"])
    parser.add_argument(
        "--busy", nargs="+", type=int, help="programs beside it; default: 0 to as many as cores"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker)
        return
    cores = hardware()["cores"]
    settings = [
        (threads, wait)
        for threads in range(1, cores + 1)
        for wait in WAITS
        if threads > 1 or wait == "default"
    ]
    record: dict[str, Any] = {"seconds": {}, "load": {}, "hardware": hardware(), "versions": versions()}
    rounds = range(options.rounds)
    others = options.busy or range(cores + 1)
    for _, name, programs, (threads, wait) in product(rounds, options.runs, others, settings):
        key = f"{name}, {programs} busy cores, {threads} threads, {wait}"
        record["load"].setdefault(key, []).append(round(os.getloadavg()[0], 1))
        with busy(programs):
            record["seconds"].setdefault(key, []).append(round(seconds(name, threads, wait), 4))
        print(key, record["seconds"][key], flush=True)
        if options.out:
            options.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
