"""Your own data set: a run made for what a ``dataset.yaml`` holds, with every choice written out.

Run      s4former init IMAGES --masks MASKS     looks at the files and writes dataset.yaml
         s4former train dataset.yaml            trains; any field can be changed, as in steps=4000
Expect   what your data give; the run prints its speed, the time that is left and scores on val
Data     a dataset.yaml, see docs/your_own_data.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from s4former.augment import Views
from s4former.augment.jitter import Jitter
from s4former.config.base import Config
from s4former.config.override import override
from s4former.curation.annotations.matching import displayed_size
from s4former.curation.sources import annotated_masks
from s4former.data.config import DataConfig
from s4former.data.dataset_yaml import DatasetFile
from s4former.data.sources.base import Split, split_ids
from s4former.data.sources.folder import FolderSource
from s4former.data.split_lists import first_few
from s4former.data.statistics import spread
from s4former.engine.run import OptimizerConfig, Run
from s4former.inference.config import FEW_IMAGES, EvaluateConfig
from s4former.inference.device import resolve_device
from s4former.methods.configs.parts import UnlabeledScheduleConfig
from s4former.methods.configs.s4former import S4FormerConfig
from s4former.methods.configs.supervised import SupervisedConfig
from s4former.models import ModelConfig
from s4former.models.heads.configs.linear import LinearConfig
from s4former.recipes._about_method import about_method
from s4former.recipes.derived import Decision, Derived, Plan, chosen, settle

_BACKBONE, _PATCH = "vit_small_patch14_dinov2", 14
_SHUFFLE_BLOCK = 4
_SIDE = _PATCH * _SHUFFLE_BLOCK  # of a PatchShuffle block in pixels; crops are whole blocks
_SMALLEST, _LARGEST_ON_CPU, _LARGEST = 2 * _SIDE, 4 * _SIDE, 8 * _SIDE
_WHOLE_CROPS = 4  # in one piece; more are far from what the position embedding was trained on
_LARGE_MEGABYTES = 64  # an eighth of what is cached
_CLASS_BALANCE = 0.5
_ANY_CHANNELS = Jitter(grayscale_probability=0)  # for images of any number of channels
_SAMPLE = 100  # images whose sizes are looked at


class _OnlyData(Config):
    """The part of a `Run` that is about its data."""

    data: DataConfig
    """The images."""


def data_config(path: Path, file: DatasetFile, changes: Iterable[str] | Mapping[str, Any] = ()) -> DataConfig:
    """Return the source that a ``dataset.yaml`` describes; no image is looked at.

    Args:
        path: The file.
        file: What it says.
        changes: Overrides of ``data``, as in ``data.labeled_split=FILE``.

    Raises:
        UserError: If an override does not fit.
    """
    config = DataConfig(
        source="dataset",
        root=str(path.parent),
        dataset=path.name,
        channels=file.channels,
        value_range=file.value_range,
        **({"display_channels": file.display} if file.display else {}),
    )
    return override(_OnlyData(data=config), changes)[0].data


def dataset_run(
    path: Path, file: DatasetFile, changes: Iterable[str] | Mapping[str, Any] = (), device: str = "auto"
) -> Plan:
    """Return the run for a ``dataset.yaml``, what was decided, and what follows from what.

    Crop and protocol follow from the sizes of the images and from the device: those whose longer side has
    more than 4 crops are scored in windows (``evaluate.mode=slide``). Batches and steps follow from how many
    images there are, the method from whether any is unlabeled.

    Args:
        path: The file.
        file: What it says.
        changes: Overrides of ``data``, as they say which images there are.
        device: What the run is asked to compute on.

    Raises:
        UserError: If an override does not fit, or there is no such device.
        DataError: If the data set lacks something.
    """
    config, changed = data_config(path, file), data_config(path, file, changes)
    same = (changed.root, changed.dataset) == (config.root, config.dataset)
    source = FolderSource(changed, annotated_masks, file if same else None)
    file = source.layout.file
    sizes = _sizes(source)
    on_cpu = resolve_device(device) == "cpu"
    crop = _crop(sizes, _LARGEST_ON_CPU if on_cpu else _LARGEST)
    labeled, unlabeled, val = len(source.labeled), len(source.unlabeled), len(source.val)
    batch = 4 if on_cpu else 8
    every_size = sizes + _sizes(source, "val")
    derived = _derived(every_size, _typical_short_side(sizes) < _SMALLEST, labeled, val)
    run = Run(
        data=config.model_copy(update={"crop_size": crop, "short_side": None, "labeled_batch_size": batch}),
        model=_model(file.channels, file.mean, file.std),
        method=_s4former() if unlabeled else SupervisedConfig(),
        fall_back=unlabeled > 0,
        optimizer=OptimizerConfig(name="adamw", weight_decay=0.01, max_grad_norm=1.0),
        evaluate=EvaluateConfig(part="val"),
    )
    run = settle(run, derived)
    longest = _longest_side(every_size, run.evaluate.short_side)
    decisions = [*_about_data(run, source, sizes, on_cpu), *_about_sizes(run, sizes, longest)]
    return Plan(run, [*decisions, *_about_scores(path, val)], derived, source)


def _derived(
    sizes: Sequence[tuple[int, int]], are_small: bool, labeled: int, val: int
) -> tuple[Derived, ...]:
    """Return what follows from other fields, for images of some sizes, and so many labeled and val ones."""

    def mode(run: Run) -> str:
        longest = _longest_side(sizes, run.evaluate.short_side)
        return "slide" if longest > _WHOLE_CROPS * max(run.data.crop) else "whole"

    batch = ("data.labeled_batch_size",)
    return (
        Derived("data.unlabeled_batch_size", batch, lambda run: run.data.labeled_batch_size),
        Derived("steps", batch, lambda run: steps_for(labeled, run.data.labeled_batch_size)),
        Derived("evaluate_every", ("steps",), lambda run: max(1, run.steps // 5) if val else 0),
        Derived("save_every", ("steps",), lambda run: max(1, run.steps // 10)),
        # Labels first: the network that then gives labels has learned all that the labeled images say.
        Derived("method.unlabeled_start_step", ("steps", "method.name"), lambda run: run.steps // 2, 0),
        Derived("method.views.strong", ("data.channels",), _strong_views, (_ANY_CHANNELS,)),
        # Off in S4Former as well, whose own default has it: it lost points in most measurements.
        Derived("method.patch_shuffle", ("method.name",), lambda run: False, True),
        # For pseudo-labels; a run on labels alone is no better for it.
        Derived("method.class_balance", ("method.name",), _class_balance, _CLASS_BALANCE),
        Derived("model.frozen_blocks", ("model.channels", "model.pretrained"), _frozen),
        Derived("optimizer.lr", ("model.pretrained",), lambda run: _rates(run)[0]),
        Derived("optimizer.head_lr_factor", ("model.pretrained",), lambda run: _rates(run)[1]),
        Derived("data.short_side", ("data.crop_size",), lambda run: min(run.data.crop) * are_small or None),
        Derived("evaluate.short_side", ("data.short_side",), lambda run: run.data.short_side),
        Derived("evaluate.mode", ("data.crop_size", "evaluate.short_side"), mode),
    )


def steps_for(labeled: int, batch: int) -> int:
    """Return 40 rounds over the labeled images in steps, rounded to 500, at least 1000 and at most 20,000."""
    return min(20_000, max(1000, 500 * round(40 * labeled / batch / 500)))


def _sizes(source: FolderSource, split: Split = "labeled") -> list[tuple[int, int]]:
    """Return height and width of some images; only their headers are read."""
    chosen = [source.image_file(id, split) for id in spread(split_ids(source, split), _SAMPLE)]
    return [displayed_size(file, source.layout.file.channels) for file in chosen]


def _longest_side(sizes: Sequence[tuple[int, int]], short_side: int | None) -> int:
    """Return the longest side as the network sees it."""
    return round(max(max(size) * (short_side / min(size) if short_side else 1) for size in sizes))


def _typical_short_side(sizes: Sequence[tuple[int, int]]) -> int:
    return int(median(min(size) for size in sizes))


def _crop(sizes: Sequence[tuple[int, int]], largest: int) -> int:
    """Return the side of the training crop: as much of an image as fits, in whole blocks of patches."""
    return min(largest, max(_SMALLEST, _typical_short_side(sizes) // _SIDE * _SIDE))


def _strong_views(run: Run) -> tuple[Jitter, ...]:
    """Return color jitter and blur, and for photographs grayscale."""
    return (Jitter() if run.data.channels == 3 else _ANY_CHANNELS,)


def _class_balance(run: Run) -> float:
    """Return the weight of rarity: 0 for methods that learn from labels alone."""
    return _CLASS_BALANCE if isinstance(run.method, UnlabeledScheduleConfig) else 0.0


def _s4former() -> S4FormerConfig:
    return S4FormerConfig(
        views=Views(strong=(_ANY_CHANNELS,)),
        class_share=0.6,
        class_balance=_CLASS_BALANCE,
        patch_shuffle=False,
        ema_decay=0.99,  # a memory of 100 steps: the published 0.999 outlives such a short run
        teacher_starts="copy_at_start",
        shuffle_block=_SHUFFLE_BLOCK,
    )


def _model(channels: int, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> ModelConfig:
    given: dict[str, Any] = {name: value for name, value in (("mean", mean), ("std", std)) if value}
    return ModelConfig(
        backbone=_BACKBONE,
        pretrained="hub",
        head=LinearConfig(out_indices=(10,)),
        channels=channels,
        **given,
    )


def _frozen(run: Run) -> int:
    """Return how many first blocks stay as they are: none that are random or were made for other images."""
    return 6 if run.model.channels == 3 and run.model.pretrained != "none" else 0


def _rates(run: Run) -> tuple[float, float]:
    """Return the backbone's learning rate and the heads' factor: what is pretrained is soon forgotten."""
    return (1e-4, 10) if run.model.pretrained == "none" else (3e-5, 33)


def _about_data(
    run: Run, source: FolderSource, sizes: Sequence[tuple[int, int]], on_cpu: bool
) -> list[Decision]:
    """Return what is decided for all data sets, and what the data are."""
    labeled, unlabeled = len(source.labeled), len(source.unlabeled)
    counts = (
        f"{labeled} labeled, {unlabeled} unlabeled, {len(source.val)} val and {len(source.test)} test images"
    )
    device, largest = ("a CPU", _LARGEST_ON_CPU) if on_cpu else ("a GPU", _LARGEST)
    return [
        *map(Decision, source.notes),
        Decision(f"data: {counts}, {len(source.classes)} classes ({first_few([*source.classes.names], 8)})"),
        chosen(
            "data.crop_size",
            run.data.crop_size,
            f"shorter sides are {_typical_short_side(sizes)} pixels as a rule, and the largest crop on "
            f"{device} is {largest}",
        ),
        chosen(
            "data.labeled_batch_size",
            run.data.labeled_batch_size,
            f"what {device} takes; as many unlabeled ones beside them",
        ),
        chosen("steps", run.steps, f"for {labeled} labeled images"),
        *about_method(run, unlabeled, len(source.val)),
        chosen(
            "model.pretrained",
            "hub",
            f"the weights of {_BACKBONE} are downloaded once (about 90 MB); without a network type "
            "model.pretrained=FILE, or none to start from random weights",
        ),
    ]


def _about_scores(path: Path, val: int) -> list[Decision]:
    """Return what is to be said where few images or none are held out."""
    if not val:
        return [Decision(f"no val: nothing will tell how good the model is; add val to {path} to know")]
    if val >= FEW_IMAGES:
        return []
    return [
        Decision(
            f"{val} val image{'' if val == 1 else 's'}: few, so scores say little"
            + (", and how little cannot be said" if val == 1 else " and come with an interval")
            + f"; {FEW_IMAGES} or more are better"
        )
    ]


def _about_sizes(run: Run, sizes: Sequence[tuple[int, int]], longest: int) -> list[Decision]:
    """Return what is decided only for small or large images.

    Args:
        run: The run.
        sizes: Height and width of labeled images.
        longest: Longest side in pixels as the network sees it.
    """
    data, decisions = run.data, []
    if data.short_side:
        reason = "images are small, so they are enlarged"
        decisions.append(chosen("data.short_side", data.short_side, reason))
    if run.evaluate.mode == "slide":
        reason = (
            f"images are scored in windows of {data.crop_size} pixels, as the longest side is {longest} "
            f"pixels, more than {_WHOLE_CROPS} crops"
        )
        decisions.append(chosen("evaluate.mode", "slide", reason))
    decoded = max(height * width for height, width in sizes) * data.channels / 2**20
    if decoded > _LARGE_MEGABYTES:
        reason = (
            f"MB of decoded images that are kept; the largest takes {decoded:.0f} MB, and an image that is "
            "not kept is read again for each crop. To train faster, cut large images into tiles of about "
            "1000 pixels, or raise this number"
        )
        decisions.append(chosen("data.cache_images", data.cache_images, reason))
    return decisions
