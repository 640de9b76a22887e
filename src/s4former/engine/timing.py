"""A few timed steps and scores of a run, before it starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from statistics import median

import torch

from s4former.data.loader import TrainBatches
from s4former.data.progress import Report, silent
from s4former.data.sources import Source, evaluation_pairs, split_ids
from s4former.engine.device import own_threads, set_up
from s4former.engine.optim import build_optimizer, clip_gradients
from s4former.engine.pace import TIMED, Pace
from s4former.engine.run import Run
from s4former.engine.step import accumulate, build_method
from s4former.inference.logits import Pixels, in_eval, logit_row_chunks
from s4former.methods import Method
from s4former.models import build_segmenter, faster_on_cpu

_LONG = 20.0


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
    with rehearsal(run, source, device) as (method, _, step):
        last = [max(0, run.steps - 1 - back) for back in range(TIMED + 1)]
        late = _median_seconds(map(step, last), "timing some training steps", report)
        early = late
        if run.method.least_steps > 1:
            early = _median_seconds(map(step, [0] * (TIMED + 1)), "timing early training steps", report)

        def score(image: Pixels) -> None:
            for network in method.networks.values():
                images = image[None]
                for chunk in logit_row_chunks(network, images, run.evaluate, run.device, run.precision):
                    chunk.max(1).indices.cpu()

        split = run.evaluate.part
        images = islice(evaluation_pairs(source, split, 0, 1) if split_ids(source, split) else (), TIMED + 1)
        with in_eval(method.networks):
            pixels = (image for _, image, _ in images)
            image = _median_seconds(map(score, pixels), "timing scores", report)
    return Pace(late, early, image)


@contextmanager
def rehearsal(
    run: Run, source: Source, device: torch.device
) -> Iterator[tuple[Method, torch.optim.Optimizer, Callable[[int], None]]]:
    """Build a run on random weights: its method, optimizer, and what takes a step; all is thrown away.

    Nothing is written or downloaded, and no draw of the run changes.
    """
    model = run.model.model_copy(update={"pretrained": "none"})
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        student = build_segmenter(model, len(source.classes), run.seed)
        if run.faster_on_cpu:
            faster_on_cpu(student)
        method = build_method(run, student).to(device).train()
        optimizer = build_optimizer(run.optimizer, method)
        batches = TrainBatches(
            run.data,
            source,
            run.method.views,
            run.seed,
            accumulate=run.accumulate,
            reads_unlabeled=run.method.reads_unlabeled,
        )

        def step(number: int) -> None:
            accumulate(run, method, method, batches.crops(number)[0].to(device).make_views(), number)
            float(clip_gradients(optimizer, run.optimizer.max_grad_norm))  # waits for the device
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            method.after_update(number)

        yield method, optimizer, step


def _median_seconds(calls: Iterable[None], what: str, report: Report) -> float:
    """Return what a call takes: the first is only a warm-up, unless it is long or the only one."""
    seconds: list[float] = []
    start = time.perf_counter()
    for done, _ in enumerate(calls, 1):
        seconds.append(time.perf_counter() - start)
        report(what, done, TIMED + 1)
        if sum(seconds) > _LONG:
            break
        start = time.perf_counter()
    return median(seconds[1:] or seconds or [0.0])
