"""How long a run will take on this machine, by a few timed steps of it, before it starts."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import torch

from s4former.config.record import hardware, read_json, write_json
from s4former.data.loader import TrainBatches
from s4former.data.progress import Report, silent
from s4former.data.sources import Source, evaluation_pairs, part_ids
from s4former.engine.callbacks import Callback
from s4former.engine.device import own_threads, set_up
from s4former.engine.optim import build_optimizer, clip_gradients
from s4former.engine.run import Run
from s4former.engine.step import accumulate, build_method
from s4former.inference.bands import placed
from s4former.inference.evaluate import Pixels, in_eval, logit_bands
from s4former.models.segmenter import build_segmenter

_TIMED = 3
_LONG = 20.0
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
        scored = len(part_ids(source, run.evaluate.part)) * evaluations(run)
        return early * self.early_step + (run.steps - early) * self.step + scored * self.image


class Forecast(Callback):
    """Says what is left of a run in hours and minutes, once a few of its own steps have been timed.

    The first step after a pause is no guide, and those before unlabeled images take part cost less than later
    ones; both phases are told of, if they take over a minute.

    Args:
        run: The run.
        images: How many images are scored each time.
        say: Who is told.
    """

    def __init__(self, run: Run, images: int, say: Callable[[str], None]) -> None:
        self._run, self._images, self._say = run, images, say
        self._start, self._timed = 0.0, 0
        self._told = -1

    def on_step(self, step: int) -> None:
        """Time it, and speak if that completes the forecast."""
        run, now = self._run, time.perf_counter()
        join = run.method.least_steps - 1
        phase = int(step > join)
        if phase == self._told:
            return
        self._timed += 1
        if self._timed == 1 or step == join + 1:
            self._start, self._timed = now, 1
        if self._timed <= _TIMED:
            return
        self._told, self._timed = phase, 0
        seconds = (now - self._start) / _TIMED
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


def remembered_pace(run: Run, source: Source, store: Path, report: Report = silent) -> Pace:
    """Return what `measure_pace` does, or did for the same run on this machine before.

    Args:
        run: The run, resolved.
        source: Its data.
        store: Text file of what was measured; if it cannot be read or written, it is measured again.
        report: Hears how far it is.
    """
    machine = {key: value for key, value in hardware().items() if key != "memory_gib"}
    text = json.dumps([run.model_dump(mode="json"), source.fingerprint(), machine], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    try:
        return Pace(**read_json(store)[key])
    except (OSError, ValueError, KeyError, TypeError):
        pace = measure_pace(run, source, report)
    with suppress(OSError):
        write_json(store, {key: vars(pace)})
    return pace


def evaluations(run: Run) -> int:
    """Return how often a run is scored: every so many steps, and at its end."""
    return -(-run.steps // run.evaluate_every) if run.evaluate_every else 1


@own_threads()
def measure_pace(run: Run, source: Source, report: Report = silent) -> Pace:
    """Time a few steps and a few scored images of a run, on networks that are thrown away.

    Nothing is written or downloaded, and no draw of the run changes: weights are random, as time does not
    depend on them. Of steps that take longer than 20 seconds, one has to do.

    Args:
        run: The run, resolved.
        source: Its data.
        report: Hears how far it is.

    Raises:
        UserError: If the run cannot be built.
        DataError: If an image that is drawn cannot be read.
    """
    device = set_up(run.device, run.threads, run.deterministic)
    model = run.model.model_copy(update={"pretrained": "none"})
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        student = build_segmenter(model, len(source.classes), run.seed)
        method = build_method(run, student).to(device).train()
        optimizer = build_optimizer(run.optimizer, method)
        batches = TrainBatches(run.data, source, run.method.views, run.seed, accumulate=run.accumulate)

        def step(number: int) -> None:
            accumulate(run, method, method, batches.build(number)[0].to(device), number)
            float(clip_gradients(optimizer, run.optimizer.max_grad_norm))  # waits for the device
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            method.after_update(number)

        last = [max(0, run.steps - 1 - back) for back in range(_TIMED + 1)]
        late = _median_seconds(map(step, last), "timing some training steps", report)
        early = late
        if run.method.least_steps > 1:
            early = _median_seconds(map(step, [0] * (_TIMED + 1)), "timing early training steps", report)

        def score(image: Pixels) -> None:
            for network in method.networks.values():
                for _, band in placed(
                    logit_bands(network, image[None], run.evaluate, run.device, run.precision)
                ):
                    band[0].argmax(0).cpu()

        images = islice(evaluation_pairs(source, run.evaluate.part, 0, 1), _TIMED + 1)
        with in_eval(method.networks):
            pixels = (image for _, image, _ in images)
            image = _median_seconds(map(score, pixels), "timing scores", report)
    return Pace(late, early, image)


def _median_seconds(calls: Iterable[None], what: str, report: Report) -> float:
    """Return what a call takes: the first is only a warm-up, unless it is long or the only one."""
    seconds: list[float] = []
    start = time.perf_counter()
    for done, _ in enumerate(calls, 1):
        seconds.append(time.perf_counter() - start)
        report(what, done, _TIMED + 1)
        if sum(seconds) > _LONG:
            break
        start = time.perf_counter()
    return median(seconds[1:] or seconds or [0.0])


def in_words(seconds: float) -> str:
    """Return a duration as people say it: ``40 seconds``, ``12 minutes``, ``3.5 hours``, ``2.1 days``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds" if seconds >= 1.5 else "a second"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"
