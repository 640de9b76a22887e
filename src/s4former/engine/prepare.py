"""All that a run needs before its first step, and every reason to refuse it: for `train`, and for `check`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from s4former import collectives
from s4former.config.errors import DataError, S4FormerError, UserError
from s4former.curation.check import Check
from s4former.curation.sources import open_source
from s4former.data.loader import TrainBatches
from s4former.data.sources import Source, split_ids
from s4former.engine import distributed
from s4former.engine.optim import build_optimizer
from s4former.engine.run import Run
from s4former.engine.sharding import shard, shards
from s4former.engine.step import build_method
from s4former.inference.config import EvaluateConfig
from s4former.inference.logits import MAX_PATCHES, patches_in_one_piece, too_many_patches
from s4former.inference.trained import init_weights_from
from s4former.methods import Method
from s4former.models import build_segmenter, faster_on_cpu, shapes_only
from s4former.types import Segmenter


@dataclass(frozen=True)
class Prepared:
    """What the steps of a run work with."""

    method: Method
    optimizer: torch.optim.Optimizer
    batches: TrainBatches


def prepare(
    run: Run, source: Source, device: torch.device, checked: Check | None = None, blank: bool = False
) -> Prepared:
    """Build a run, and refuse it if a step or a score could not be made.

    Args:
        run: The run, resolved.
        source: Its data.
        device: Where it trains.
        checked: What was seen of the data.
        blank: Whether to leave the weights that it starts from alone, as others take their place.

    Raises:
        UserError: If the run cannot be built or its crops or images do not fit.
        DataError: If there is nothing to score though that is asked for.
    """
    split = run.evaluate.part
    if split != "val" and not split_ids(source, split):
        raise DataError(
            f"evaluate.part={split} is to be scored, but there are no {split} images; set evaluate.part=val, "
            "or give the data set some"
        )
    student = build_student(run, source, blank)
    require_scorable(student.patch_size, run.evaluate, checked)
    distributed.synchronize_layers(student, device, run.accumulate)
    method = build_method(run, student).train()
    if shards(run):
        shard(method, device)  # unit by unit, so that a GPU never holds all of it
    method.to(device)
    require_batches(
        run, len(source.classes), with_unlabeled=run.method.views.unlabeled and len(source.unlabeled) > 0
    )
    batches = TrainBatches(
        run.data,
        source,
        run.method.views,
        run.seed,
        collectives.rank(),
        collectives.world_size(),
        run.accumulate,
        run.method.reads_unlabeled,
    )
    return Prepared(method, build_optimizer(run.optimizer, method), batches)


def refusal(run: Run, checked: Check) -> S4FormerError | None:
    """Return why `train` would refuse a run whose data are sound, None if it would not.

    Weights of the hub are not asked for, as that takes a network.
    """
    try:
        run = run.resolved()
        if run.model.pretrained == "hub":
            model = run.model.model_copy(update={"pretrained": "none"})
            run = run.model_copy(update={"model": model})
        prepare(run, open_source(run.data), torch.device("cpu"), checked)
    except S4FormerError as error:
        return error
    return None


def build_student(run: Run, source: Source, blank: bool) -> Segmenter:
    """Return the network to train; if ``blank``, without looking for the weights it starts from."""
    own = blank or run.load_from is not None
    model = run.model.model_copy(update={"pretrained": "none"}) if own else run.model
    student = build_segmenter(model, len(source.classes), run.seed)
    if run.load_from is not None and not blank:
        init_weights_from(student, run.model, Path(run.load_from))
    if run.faster_on_cpu:
        faster_on_cpu(student)
    return student


def require_scorable(patch_size: int, evaluate: EvaluateConfig, checked: Check | None) -> None:
    """Refuse images that are too large to be scored in one piece.

    Raises:
        UserError: If there is one among those that were looked at.
    """
    summary = checked.splits.get(evaluate.part) if checked else None
    for height, width in summary.sizes if summary else ():
        patches = patches_in_one_piece((height, width), patch_size, evaluate)
        if patches > MAX_PATCHES:
            raise too_many_patches(f"an image of {evaluate.part}", (height, width), patches)


def require_batches(run: Run, num_classes: int, with_unlabeled: bool) -> None:
    """Refuse crops that are no whole patches, and batches of which a batch norm gets one value only.

    The network's layers are tried on tensors without memory, and with the smaller batch alone: what is too
    little for a batch norm there is enough in the larger one.

    Raises:
        UserError: If a batch of the run could not be trained on.
    """
    with shapes_only():
        model = run.model.model_copy(update={"pretrained": "none"})
        twin = build_segmenter(model, num_classes, run.seed).train()
    counts = {"data.labeled_batch_size": run.data.labeled_batch_size}
    if with_unlabeled:
        counts["data.unlabeled_batch_size"] = run.data.unlabeled_batch_size
    field, count = min(counts.items(), key=lambda named: named[1])
    images = torch.empty(max(1, count // run.accumulate), run.data.channels, *run.data.crop, device="meta")
    try:
        features = twin.encode(images)
        _, _, height, width = features[0].shape  # enlarging logits to the crop takes as long as all before
        twin.decode(features, (height, width))
        twin.decode_auxiliary(features, (height, width))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise UserError(str(error)) from None
        larger = [2 * side for side in run.data.crop]
        raise UserError(
            f"{field}={count} with data.crop_size={run.data.crop_size} leaves a batch norm of the head "
            f"model.head={run.model.head.name} a single value at once, which has no spread; set {field}=2 or "
            f"more, or a larger crop, as in data.crop_size={str(larger).replace(' ', '')}"
        ) from None
