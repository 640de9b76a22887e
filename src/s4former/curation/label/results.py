"""What came of labeling images: tables, lists, and the ``dataset.yaml`` beside the masks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from s4former.curation.init.pairs import relative
from s4former.curation.init.text import dataset_text
from s4former.curation.label.origins import HUMAN, MASKS, Item
from s4former.curation.label.ranking import PARTS, Choice, Look
from s4former.curation.label.threshold import Thresholds
from s4former.data.classes import Classes
from s4former.data.dataset_yaml import ClassEntry, DatasetFile, LabeledFiles, UnlabeledFiles
from s4former.data.sources import Source
from s4former.data.sources.folder import FolderSource
from s4former.data.split_lists import list_text
from s4former.inference.card import ModelCard
from s4former.models import ModelConfig

LABELED, UNLABELED = "labeled.txt", "unlabeled.txt"
COCO, LABELME, NEXT, SHEET = "coco.json", "labelme", "next.csv", "next.png"
DATASET, TABLE = "dataset.yaml", "labels.csv"
_COLUMNS = ("image", "mask", "made_by", "known_share", "unsure", "disagreement")


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


@dataclass
class Labeled:
    """What came of it.

    Attributes:
        items: The images that have a mask now.
        left_out: How many images to validate or test on, and how many mask files, were left out.
        thresholds: What was kept.
        said: Pixels that were predicted of each class.
        kept: Pixels of them that were kept.
        known_shares: Share of the pixels of each mask that are known.
        looks: What ranks the images without a person's mask, in the order of ``items``.
        choices: Images to label next, by their place among those.
        failures: Why images could not be labeled.
    """

    items: list[Item]
    left_out: tuple[int, int]
    thresholds: Thresholds
    said: Int64[np.ndarray, " k"]
    kept: Int64[np.ndarray, " k"]
    known_shares: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def machine(self) -> list[Item]:
        """The images without a person's mask."""
        return [item for item in self.items if not item.human]


def lists(done: Labeled, out: Path) -> dict[str, str]:
    """Return the content of the tables and of the lists of ``dataset.yaml``, by file name."""
    rows, looks = list[list[object]](), iter(done.looks)
    learned: dict[str, list[str]] = {LABELED: [], UNLABELED: []}
    for item, known in zip(done.items, done.known_shares, strict=True):
        place, numbers = relative(item.image, out), list[object]()
        if known:
            learned[LABELED].append(place)
        if not item.human:
            learned[UNLABELED].append(place)
            seen = next(looks)
            numbers = [f"{seen.unsure:.4f}", f"{seen.disagreement:.4f}"]
        made_by = "person" if item.human else "machine"
        rows.append([place, item.mask.as_posix(), made_by, f"{known:.4f}", *(numbers or ["", ""])])
    chosen = [
        [
            rank,
            relative(done.machine[choice.index].image, out),
            *(f"{number:.3f}" for number in (choice.score, *choice.places.values())),
            choice.reason,
        ]
        for rank, choice in enumerate(done.choices, 1)
    ]
    return {
        TABLE: _table(_COLUMNS, rows),
        NEXT: _table(("rank", "image", "score", *PARTS, "reason"), chosen),
        **{name: list_text(places) for name, places in learned.items()},
    }


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()
