"""What came of labeling images, and the tables and lists that say so."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from s4former.curation.init.pairs import relative
from s4former.curation.label.description import LABELED, UNLABELED
from s4former.curation.label.looking import Look
from s4former.curation.label.origins import Item
from s4former.curation.label.ranking import PARTS, Choice
from s4former.curation.label.threshold import Thresholds

COCO, LABELME, NEXT, SHEET = "coco.json", "labelme", "next.csv", "next.png"
DATASET, TABLE = "dataset.yaml", "labels.csv"
_COLUMNS = ("image", "mask", "made_by", "known_share", "unsure", "disagreement")


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
        rows.append([place, item.mask.as_posix(), item.made_by, f"{known:.4f}", *(numbers or ["", ""])])
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
        **{name: "".join(f"{place}\n" for place in places) for name, places in learned.items()},
    }


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()
