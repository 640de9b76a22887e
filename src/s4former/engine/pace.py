"""How long a run will take on this machine, as a few of its steps tell; see `timing` for these."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s4former.config.record import hardware, read_json, versions, write_json
from s4former.curation.check import Check
from s4former.data.progress import Report, silent
from s4former.data.sources import Source, split_ids
from s4former.engine.callbacks import Callback
from s4former.engine.cores import free_cores
from s4former.engine.run import Run
from s4former.inference.device import resolve_device

TIMED = 3
"""Steps that are timed, beside one to warm up."""
_WORTH_TELLING = 60.0


@dataclass(frozen=True)
class Pace:
    """Seconds on this machine.

    Attributes:
        step: Of a step at the end of the run.
        early_step: Of one before unlabeled images take part.
        image: To score one image with every network that is scored; 0 if there is none.
    """

    step: float
    early_step: float
    image: float

    def total(self, run: Run, source: Source) -> float:
        """Return the seconds of a whole run, without loading and saving."""
        early = min(run.steps, run.method.least_steps - 1)
        scored = len(split_ids(source, run.evaluate.part)) * evaluations(run)
        return early * self.early_step + (run.steps - early) * self.step + scored * self.image


class Forecast(Callback):
    """Says what is left of a run in hours and minutes, once a few of its own steps have been timed.

    The first step after a pause is no guide, and those before unlabeled images take part cost less than later
    ones; both phases are reported if they take over a minute.

    Args:
        run: The run.
        images: How many images are scored each time.
        say: Called with each message.
    """

    def __init__(self, run: Run, images: int, say: Callable[[str], None]) -> None:
        self._run, self._images, self._say = run, images, say
        self._start, self._timed = 0.0, 0
        self._told = -1

    def on_step(self, step: int) -> None:
        """Time it, and print the forecast once it is complete."""
        run, now = self._run, time.perf_counter()
        join = run.method.least_steps - 1
        phase = int(step > join)
        if phase == self._told:
            return
        self._timed += 1
        if self._timed == 1 or step == join + 1:
            self._start, self._timed = now, 1
        if self._timed <= TIMED:
            return
        self._told, self._timed = phase, 0
        seconds = (now - self._start) / TIMED
        last = run.steps if phase else join
        left = (last - step) * seconds
        if left < _WORTH_TELLING:
            return
        times = evaluations(run)
        scored = f"; scoring {times} x {self._images} images comes on top" if self._images else ""
        until = "" if phase else ", then unlabeled images take part and a step takes longer"
        self._say(
            f"{seconds:.2g} s a step: steps {step + 1} to {last} take about {in_words(left)}{until}{scored}"
        )

    def on_score(self, lines: object) -> None:
        """Scoring came between two steps: count from the next one on."""
        self._timed = 0

    def on_save(self, step: int) -> None:
        """Saving did."""
        self._timed = 0


@dataclass(frozen=True)
class PaceMemory:
    """What an earlier check found of the same run, data, machine and package: how fast it is.

    That it was timed tells, too, that it can be built and that its images can be scored.

    Attributes:
        store: Text file of what was measured; if it cannot be read or written, it is measured again.
        key: What names run, data, machine and package; none where they are not all that decides, as a file of
            weights does, or a method of the user's own.
        pace: What was found; none if nothing was.
    """

    store: Path
    key: str | None
    pace: Pace | None

    @classmethod
    def of(cls, run: Run, source: Source, checked: Check, store: Path) -> PaceMemory:
        """Look a run up, before it is resolved: the answer needs no torch.

        Args:
            run: The run.
            source: Its data.
            checked: What was seen of them.
            store: See `PaceMemory`.
        """
        content = run.model_dump(mode="json")
        sizes = {split: sorted(set(summary.sizes)) for split, summary in checked.splits.items()}
        facts = [content, source.fingerprint(), sizes, _machine(run), versions(), _package_changed()]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        from_files = run.load_from is not None or run.model.pretrained not in ("none", "hub")
        if from_files or any("." in name for name in _names(content)):
            return cls(store, None, None)
        try:
            return cls(store, key, Pace(**read_json(store)[key]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(store, key, None)

    def measured(self, run: Run, source: Source, report: Report = silent) -> Pace:
        """Return the pace; if it is not known, measure and remember it (see `timing.measure_pace`)."""
        if self.pace:
            return self.pace
        from s4former.engine import timing

        pace = timing.measure_pace(run.resolved(), source, report)
        if self.key:
            with suppress(OSError):
                write_json(self.store, {self.key: vars(pace)})
        return pace


def _machine(run: Run) -> dict[str, Any]:
    """Return what the machine is, and on what ``auto`` depends there."""
    found = {key: value for key, value in hardware().items() if key != "memory_gib"}
    found |= {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}
    if run.threads == "auto" and "OMP_NUM_THREADS" not in os.environ:
        found["free_cores"] = max(1, round(free_cores()))
    return found | {"device": resolve_device(run.device)}


def _package_changed() -> int:
    """Return when a file of the package was changed last: another version may refuse what this one trains."""
    return max(file.stat().st_mtime_ns for file in Path(__file__).parents[1].rglob("*.py"))


def _names(content: Any) -> Iterator[str]:
    """Return the names of the variants in a dumped config; files of the user's own have a dot in theirs."""
    if isinstance(content, dict):
        yield from (value for key, value in content.items() if key == "name" and isinstance(value, str))
        content = list(content.values())
    if isinstance(content, list):
        for value in content:
            yield from _names(value)


def evaluations(run: Run) -> int:
    """Return how often a run is scored: every so many steps, and at its end."""
    return -(-run.steps // run.evaluate_every) if run.evaluate_every else 1


def in_words(seconds: float) -> str:
    """Return a duration as people say it: ``40 seconds``, ``12 minutes``, ``3.5 hours``, ``2.1 days``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds" if seconds >= 1.5 else "a second"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"
