"""What the models of runs predict for the images that they were scored on, looked at again for a report."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from s4former.config.errors import DataError
from s4former.config.validation import validated
from s4former.curation.sources import open_source
from s4former.data.config import DataConfig
from s4former.data.sources import Source, split_ids
from s4former.inference import Evaluation, Model, evaluate
from s4former.report.records import RunRecord


@dataclass(frozen=True)
class Measured:
    """The model of a run on the images that it is scored on.

    Attributes:
        run: The run.
        model: Its ``model/``.
        source: Its data.
        evaluation: Its scores, with the areas of each image.
    """

    run: RunRecord
    model: Model
    source: Source
    evaluation: Evaluation

    @property
    def ids(self) -> Sequence[str]:
        """The images."""
        return split_ids(self.source, self.model.card.evaluate.part)

    @property
    def areas(self) -> Int64[Tensor, "images 3 k"]:
        """Pixels of each image that are right, labeled and predicted, by class."""
        assert self.evaluation.by_image is not None
        return self.evaluation.by_image

    def image_scores(self) -> Float[np.ndarray, " images"]:
        """Return the mean IoU of each image over the classes that are in its mask; NaN where none is."""
        right, labeled, predicted = self.areas.double().unbind(1)
        iou = (right / (labeled + predicted - right)).where(labeled > 0, torch.nan)
        means: np.ndarray = iou.nanmean(1).cpu().numpy()
        return means


def measure(run: RunRecord, on_image: Callable[[int, int], None]) -> Measured:
    """Score the model of a run on its val (or test) images.

    Args:
        run: The run.
        on_image: Told how many of how many images are done.

    Raises:
        S4FormerError: If there is no model, or its images cannot be read or are others by now.
    """
    data = validated(DataConfig, run.run.get("data"), f"the data in {run.path / 'run.json'} does not fit")
    data = data.found_from(run.record["working_directory"])
    source, model = open_source(data), Model.load(run.path)
    config = model.card.evaluate.resolved(model.card.crop_size)
    ids = split_ids(source, config.part)
    if source.classes.names != model.card.names or (config.part == "val" and list(ids) != run.val_ids):
        raise DataError(
            f"the classes or {config.part} images of {data.root} have changed since the run was started"
        )
    done = itertools.count(1)
    found = evaluate(
        {"model": model.network},
        source,
        config,
        model.device,
        model.precision,
        lambda: on_image(next(done), len(ids)),
        by_image=True,
    )
    return Measured(run, model, source, found["model"])
