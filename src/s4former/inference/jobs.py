"""Predicting many files: read ahead, written behind, shared by processes, gone on with where it stopped."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image as PilImage

from s4former import collectives
from s4former.config.errors import DataError
from s4former.data.ahead import read_ahead
from s4former.inference.found import Found, ToPredict, look, painted, write
from s4former.inference.frames import frames_of, rate_of, video_writer
from s4former.inference.images import pixels_of
from s4former.inference.logits import by_size
from s4former.inference.overlay import legend, write_png
from s4former.inference.plans import COCO, CSV, LEGEND, Item, Plan
from s4former.inference.predict import Model
from s4former.inference.records import ImageRecord, coco_text, csv_text

_MAX_BYTES = 2**28
_LEGEND_WIDTH = 480


@contextmanager
def behind(threads: int) -> Iterator[Callable[[Callable[[], None], int], None]]:
    """Return what takes a piece of work and its bytes, done by threads before the block ends.

    What waits takes 256 MiB at most: a huge image is waited for. With no threads, all is done at once. What
    fails is raised when its turn comes.
    """
    pending = deque[tuple[Future[None], int]]()

    def add(work: Callable[[], None], size: int) -> None:
        if not threads:
            return work()
        pending.append((pool.submit(work), size))
        while len(pending) > 4 * threads or sum(size for _, size in pending) > _MAX_BYTES:
            _ = pending.popleft()[0].result()
        return None

    pool = ThreadPoolExecutor(max(1, threads))
    try:
        yield add
        for future, _ in pending:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Summary:
    """What came of a job.

    Attributes:
        images: The records of all images that stand, in the order in which they were given.
        failures: What could not be predicted, and why.
        seconds: Time for what was not there before.
    """

    images: tuple[ImageRecord, ...]
    failures: tuple[str, ...]
    seconds: float


def run_plan(
    plan: Plan,
    model: Model,
    *,
    workers: int = 1,
    lack_of_memory: Callable[[BaseException], str | None] = lambda _: None,
    on_images: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Predict what is left of a plan, and write the tables of all of it.

    Several processes share the files; process 0 writes the tables, and all get the summary.

    Args:
        plan: What is to be done.
        model: The model.
        workers: Threads that read ahead, and as many that write behind; 0: one thing after the other.
        lack_of_memory: Says in words that an error is that, else nothing.
        on_images: Told how many more images or frames are done.
    """
    options = {"flip": plan.options.flip, "scales": plan.options.scales}
    if plan.options.flip or plan.options.scales != (1.0,):
        card = model.card
        protocol = card.evaluate.model_copy(update=options)
        model.card = card.model_copy(update={"evaluate": protocol})
    _ = collectives.gathered(None)  # nobody writes before all have claimed
    start, job = time.perf_counter(), _Job(plan, model, workers, lack_of_memory, on_images)
    mine = plan.todo[collectives.rank() :: collectives.world_size()]
    with collectives.raise_on_all_ranks():
        job.images([item for item in mine if not item.frames])
        for item in mine:
            if item.frames:
                job.video(item)
    failures = [failure for own in collectives.gathered(job.failures) for failure in own]

    def finish() -> Summary:
        seconds = time.perf_counter() - start
        known = plan.records.read()
        failed = {path for path, _ in failures}
        images = [
            record for item in plan.items if item.path not in failed for record in known.get(item.key, ())
        ]
        _write_tables(plan, images, model)
        return Summary(tuple(images), (*plan.failures, *(text for _, text in failures)), seconds)

    return collectives.on_rank0(finish)


def _write_tables(plan: Plan, images: Sequence[ImageRecord], model: Model) -> None:
    names, out = model.card.names, plan.out
    if CSV in plan.wanted:
        plan.tables.write_text(out / CSV, csv_text(images, names))
    if COCO in plan.wanted:
        plan.tables.write_text(out / COCO, coco_text(images, names, out))
    if plan.options.overlay and images:
        picture = legend(list(zip(names, model.card.colors, strict=True)), _LEGEND_WIDTH)
        plan.pictures.write(out / LEGEND, lambda path: write_png(picture, path))


@dataclass(frozen=True)
class _Job:
    """One process's share of a plan; see `run_plan`. ``failures`` are files and what is wrong with them."""

    plan: Plan
    model: Model
    workers: int
    lack_of_memory: Callable[[BaseException], str | None]
    on_images: Callable[[int], None]
    failures: list[tuple[Path, str]] = field(default_factory=list)

    def images(self, items: Sequence[Item]) -> None:
        """Predict images, those of one size together."""
        read: Iterator[ToPredict | None] = map(self._read, items)
        if self.workers:
            read = read_ahead(
                self._read, items, self.workers, lambda image: image.pixels.nbytes if image else 0
            )
        readable = (image for image in read if image is not None)
        with behind(self.workers) as add:
            for batch in by_size(readable, lambda image: image.pixels.shape, self.model.at_once):
                for image, found in self._looked_at(batch):
                    extra = 0 if found.probabilities is None else found.probabilities.nbytes
                    size = image.pixels.nbytes + 2 * found.mask.nbytes + extra
                    add(lambda image=image, found=found: self._save(image, found), size)  # type: ignore[misc]
                    del image, found
                self.on_images(len(batch))
                del batch  # a huge image is let go before the next one is read

    def video(self, item: Item) -> None:
        """Predict the frames of a video, and show them in another one."""
        records: list[ImageRecord] = []

        def predict(add: Callable[[PilImage.Image], None]) -> None:
            options = self.plan.options.model_copy(update={"overlay": False})
            for batch in by_size(self._frames(item), lambda image: image.pixels.shape, self.model.at_once):
                for image, found in zip(batch, look(self.model, batch, options), strict=True):
                    add(painted(image, found, self.model))
                    plan = self.plan
                    records.append(write(image, found, self.model, options, plan.pictures, plan.out))
                self.on_images(len(batch))

        def fill(path: Path) -> None:
            with video_writer(path, rate_of(item.path)) as add:
                predict(add)

        try:
            if self.plan.options.overlay:
                self.plan.pictures.write(item.video(self.plan.out), fill)
            else:
                predict(lambda _: None)
        except DataError as error:
            self.failures.append((item.path, str(error)))
        else:
            self.plan.records.add(item.key, records, collectives.rank())

    def _frames(self, item: Item) -> Iterator[ToPredict]:
        taken = self.model.card.input
        for number, frame in zip(range(item.frames), frames_of(item.path), strict=False):
            yield ToPredict(item.frame(number), str(item.path), item.key, pixels_of(frame, taken))

    def _read(self, item: Item) -> ToPredict | None:
        try:
            pixels = pixels_of(item.path, self.model.card.input)
            valid = item.geo.valid() if item.geo else None
        except DataError as error:
            self.failures.append((item.path, str(error)))
            self.on_images(1)
            return None
        return ToPredict(item.stem, str(item.path), item.key, pixels, item.geo, valid)

    def _looked_at(self, batch: Sequence[ToPredict]) -> list[tuple[ToPredict, Found]]:
        """Return what is found in each image that memory is enough for."""
        try:
            return list(zip(batch, look(self.model, batch, self.plan.options), strict=True))
        except (DataError, MemoryError, RuntimeError) as error:
            lack = None if isinstance(error, DataError) else self.lack_of_memory(error)
            if lack is None and not isinstance(error, DataError):
                raise
            if len(batch) > 1:
                return [pair for image in batch for pair in self._looked_at([image])]
            path = batch[0].file
            told = f"{path}: {lack} for an image of its size; cut it into parts" if lack else str(error)
            self.failures.append((Path(path), told))
            return []

    def _save(self, image: ToPredict, found: Found) -> None:
        plan = self.plan
        record = write(image, found, self.model, plan.options, plan.pictures, plan.out)
        plan.records.add(image.key, [record], collectives.rank())
