"""The ``dataset.yaml`` beside masks that a model and a person made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from s4former.curation.init.pairs import relative
from s4former.curation.init.text import dataset_text
from s4former.curation.label.origins import HUMAN, MASKS, Item
from s4former.data.classes import Classes
from s4former.data.dataset_yaml import ClassEntry, DatasetFile, LabeledFiles, UnlabeledFiles
from s4former.data.sources import Source
from s4former.data.sources.folder import FolderSource
from s4former.inference.card import ModelCard
from s4former.models import ModelConfig

LABELED, UNLABELED = "labeled.txt", "unlabeled.txt"


def description(
    items: Sequence[Item],
    unlabeled: bool,
    source: Source | None,
    card: ModelCard,
    classes: Classes,
    out: Path,
) -> str:
    """Return the text of the ``dataset.yaml``.

    Args:
        items: The images.
        unlabeled: Whether there are some to learn from without masks, too.
        source: The run's data set, whose images to validate and test on stay the same.
        card: What the model says of itself.
        classes: What the masks hold.
        out: The folder that the file will lie in.
    """
    roots = {
        where: tuple(dict.fromkeys(relative(item.root, out) for item in items if item.mask.parts[0] == where))
        for where in (HUMAN, MASKS)
    }
    images = (*roots[HUMAN], *roots[MASKS])
    masks = (*[HUMAN] * len(roots[HUMAN]), *[MASKS] * len(roots[MASKS])) if roots[HUMAN] else (MASKS,)
    taken, usual = card.input, ModelConfig.model_fields
    own_statistics = card.architecture.mean != usual["mean"].default
    values = classes.values or tuple((index,) for index in range(len(classes)))
    file = DatasetFile(
        names=tuple(
            ClassEntry(name=name, values=own, color=color)
            for name, own, color in zip(classes.names, values, classes.colors, strict=True)
        ),
        ignore=classes.ignore,
        labeled=LabeledFiles(images=images, masks=masks, list=LABELED),
        unlabeled=UnlabeledFiles(images=roots[MASKS], list=UNLABELED) if unlabeled else None,
        channels=taken.channels,
        display=None if taken.display_channels == (0, 1, 2) else taken.display_channels,
        value_range=taken.value_range,
        mean=card.architecture.mean if own_statistics else None,
        std=card.architecture.std if own_statistics else None,
        **{name: _moved(source, name, out) for name in ("val", "test")},
    )
    return dataset_text(file)


def _moved(source: Source | None, name: str, out: Path) -> LabeledFiles | None:
    """Return a split of the run's data set as seen from another folder."""
    split = source.layout.file.split(name) if isinstance(source, FolderSource) else None
    if split is None or not isinstance(source, FolderSource) or not source.splits[name].images:  # type: ignore[index]
        return None
    paths = {
        "images": tuple(relative(source.layout.path(folder), out) for folder in split.images),
        "masks": tuple(relative(source.layout.path(folder), out) for folder in split.masks),
        "list": split.list and relative(source.layout.path(split.list), out),
        "annotations": split.annotations and relative(source.layout.path(split.annotations), out),
    }
    return split.model_copy(update=paths)
