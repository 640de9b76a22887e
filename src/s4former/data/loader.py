"""Training batches: each a pure function of the seed and the step, however it is computed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from s4former.augment import LabeledViews, Views
from s4former.config.errors import DataError, S4FormerError, UserError
from s4former.data.cache import ArrayCache
from s4former.data.config import DataConfig
from s4former.data.crops import CroppedBatch, Crops
from s4former.data.order import Order
from s4former.data.sources.base import Image, LabelImage, Source, Split, require_same_size
from s4former.data.sources.folder import FolderSource
from s4former.data.split_lists import first_few
from s4former.data.views import Crop, labeled_crop, stack, unlabeled_crop
from s4former.ops.randomness import keyed_generator
from s4former.types import Batch, DrawKey

_logger = logging.getLogger(__name__)
_REPLACEMENTS = 10
_CPU = torch.device("cpu")


class TrainBatches:
    """The batches of a run, or one share of each.

    Step ``s`` takes positions ``s * B`` to ``(s + 1) * B - 1`` of a stream, ``B`` being its global batch
    size; the labeled and the unlabeled stream never end and never depend on each other's length. The shares
    of a step, one after the other, are the global batch.

    Memory, in each process that prepares batches: its share of ``data.cache_images``, the lists of ids, and
    about 7 bytes per pixel of the image that is being decoded. A crop is cut from the decoded image, so an
    image too large for the cache is decoded for each crop.

    Args:
        config: Batch sizes and how crops are drawn.
        source: The images.
        views: The views that the method asks for.
        seed: Seed of the run.
        rank: Which share of the global batch: the number of the process.
        world_size: Number of shares: one a process.
        accumulate: Number of equal parts that a process makes of its share.
        reads_unlabeled: Whether a step has unlabeled images; by default each step has, if the views do.

    Attributes:
        bad_unlabeled: Unreadable unlabeled images that this object has replaced so far: message by id.

    Raises:
        UserError: If a global batch size does not divide by the number of shares and their parts.
    """

    def __init__(
        self,
        config: DataConfig,
        source: Source,
        views: LabeledViews,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
        reads_unlabeled: Callable[[int], bool] | None = None,
    ) -> None:
        if not 0 <= rank < world_size:
            raise ValueError(f"expected a rank from 0 to {world_size - 1}, got {rank}")
        self.config, self.source, self.seed = config, source, seed
        self.views = views
        self._reads_unlabeled = reads_unlabeled
        shares = rank, world_size, accumulate
        self.labeled = share_of_batch("labeled_batch_size", config.labeled_batch_size, *shares)
        self.unlabeled = range(0)
        if isinstance(views, Views) and len(source.unlabeled) > 0:
            self.unlabeled = share_of_batch("unlabeled_batch_size", config.unlabeled_batch_size, *shares)
        self.bad_unlabeled: dict[str, str] = {}
        self._labeled_order = Order(seed, "labeled", len(source.labeled))
        self._unlabeled_order = Order(seed, "unlabeled", len(source.unlabeled))
        self._cache = ArrayCache(config.cache_images / max(1, config.num_workers))

    def images(self, step: int) -> int:
        """Return how many images the global batch of a step has."""
        unlabeled = self.config.unlabeled_batch_size if self.unlabeled_of(step) else 0
        return self.config.labeled_batch_size + unlabeled

    def unlabeled_of(self, step: int) -> range:
        """Return which unlabeled images of the global batch of a step are this share."""
        some = self._reads_unlabeled is None or self._reads_unlabeled(step)
        return self.unlabeled if some else range(0)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; the same whenever, and after whatever, it is asked for.

        Raises:
            DataError: If a labeled image or its mask is bad, or too many unlabeled images are.
        """
        crops, bad = self.crops(step)
        self.note(bad)
        return crops.make_views()

    def crops(self, step: int) -> tuple[CroppedBatch, dict[str, str]]:
        """Return what the batch of a step is made of, and the unreadable unlabeled images: message by id."""
        key, bad = DrawKey(self.seed, step), dict[str, str]()
        crops, labels = zip(*(self._labeled_crop(key, index) for index in self.labeled), strict=True)
        labeled, unlabeled = stack(crops, (self.views.labeled,)), None
        if self.unlabeled_of(step):
            unlabeled = self.unlabeled_crops(key, bad)
        return CroppedBatch(labeled, torch.from_numpy(np.stack(labels)), unlabeled, key), bad

    def files(self, step: int) -> list[str]:
        """Return the image files that a step's batch is made of, or the ids of images that lie in none."""
        key = DrawKey(self.seed, step)
        first = step * self.config.labeled_batch_size
        labeled = [self.source.labeled[self._labeled_order[first + index]] for index in self.labeled]
        found: list[tuple[str, Split]] = [(id, "labeled") for id in labeled]
        found += [(self.unlabeled_image(key, index, {})[0], "unlabeled") for index in self.unlabeled_of(step)]
        where = self.source.image_place if isinstance(self.source, FolderSource) else lambda id, _: id
        return [where(id, split) for id, split in found]

    def note(self, bad: dict[str, str]) -> None:
        """Remember unreadable unlabeled images, and warn of each once."""
        for id, message in bad.items():
            if id not in self.bad_unlabeled:
                self.bad_unlabeled[id] = message
                _logger.warning("%s; another unlabeled image takes its place", message)

    def _labeled_crop(self, key: DrawKey, index: int) -> tuple[Crop, LabelImage]:
        position = key.step * self.config.labeled_batch_size + index
        id = self.source.labeled[self._labeled_order[position]]
        image = self._image(id, "labeled")
        mask = self._cache.get(("mask", id), lambda: self.source.read_mask(id, "labeled"))
        require_same_size(image, mask, id, "labeled")
        return labeled_crop(self.config, self.views, image, mask, key, index)

    def unlabeled_crops(self, key: DrawKey, bad: dict[str, str]) -> Crops:
        """Return the unlabeled part of `crops`; ``bad`` takes the message of each unreadable image by id."""
        assert isinstance(self.views, Views)
        config, views = self.config, self.views
        crops = [
            unlabeled_crop(config, views, self.unlabeled_image(key, index, bad)[1], key, index)
            for index in self.unlabeled
        ]
        return stack(crops, (views.weak, *views.strong))

    def unlabeled_image(self, key: DrawKey, index: int, bad: dict[str, str]) -> tuple[str, Image]:
        """Read the unlabeled image at a place of the global batch or, if it is broken, another one.

        Args:
            key: Seed and step.
            index: The place; if its image is broken, a keyed draw names the one that is read.
            bad: Takes the message of each broken image by its id.

        Raises:
            DataError: If several in a row are broken.
        """
        ids, number = self.source.unlabeled, key.step * self.config.unlabeled_batch_size + index
        number = self._unlabeled_order[number]
        generator = keyed_generator(key.seed, "unlabeled/replacement", key.step, index)
        for candidate in (number, *generator.integers(len(ids), size=_REPLACEMENTS).tolist()):
            try:
                return ids[candidate], self._image(ids[candidate], "unlabeled")
            except DataError as error:
                bad[ids[candidate]] = str(error)
        reasons = first_few(sorted(bad.values()), 3)
        raise DataError(f"none of {_REPLACEMENTS + 1} unlabeled images drawn can be read: {reasons}")

    def _image(self, id: str, split: Split) -> Image:
        return self._cache.get((split, id), lambda: self.source.read_image(id, split))


def batch_iterator(
    batches: TrainBatches, start_step: int, steps: int, num_workers: int = 0, device: torch.device = _CPU
) -> Iterator[Batch]:
    """Return the batches of steps ``start_step`` to ``steps - 1``, as ``range`` would count.

    Args:
        batches: The batches.
        start_step: First step, 0 for a fresh run.
        steps: Number of steps of the whole run: the first step that is not taken.
        num_workers: Processes that work ahead; 0: none. The batches are the same.
        device: Where they are wanted. A GPU copies them while the host goes on, and makes their views unless
            ``data.views_on_device`` says otherwise: the same to rounding.

    Raises:
        DataError: While iterating, as `TrainBatches.batch` does.
    """
    made = _Steps(batches, range(start_step, steps), batches.config.makes_views_on(device.type))
    for result in _loaded(made, num_workers, pinned=device.type == "cuda"):
        if isinstance(result, S4FormerError):
            raise result
        batch, bad = result
        batches.note(bad)
        moved = batch.to(device)
        yield moved.make_views() if isinstance(moved, CroppedBatch) else moved


_Made = tuple[Batch | CroppedBatch, dict[str, str]] | S4FormerError


class _Steps(Dataset[_Made]):
    """Steps as items. A bad file comes back as a value: if raised, it would carry the worker's traceback."""

    def __init__(self, batches: TrainBatches, steps: range, views_later: bool) -> None:
        self.batches, self.steps, self.views_later = batches, steps, views_later

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, item: int) -> _Made:
        try:
            crops, bad = self.batches.crops(self.steps[item])
        except S4FormerError as error:
            return error
        return crops if self.views_later else crops.make_views(), bad


def _loaded(made: _Steps, num_workers: int, pinned: bool) -> DataLoader[_Made]:
    # More workers than cores would only wait for each other. The batches are the same for any number.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Its own generator: else the loader draws seeds for the workers, which nobody uses, from the global one.
    # The loader gives each worker a single thread.
    return DataLoader(
        made,
        batch_size=None,
        num_workers=min(num_workers, cores),
        pin_memory=pinned,
        generator=torch.Generator(),
    )


def share_of_batch(field: str, batch_size: int, rank: int, world_size: int, accumulate: int) -> range:
    """Return which images of a global batch a process takes."""
    parts = world_size * accumulate
    if batch_size % parts:
        raise UserError(
            f"data.{field}={batch_size} is the size of a whole step, over {world_size} processes with "
            f"accumulate={accumulate} parts each, and does not divide by {parts}; set it to "
            f"{parts * (batch_size // parts + 1)}"
        )
    size = batch_size // world_size
    return range(rank * size, (rank + 1) * size)
