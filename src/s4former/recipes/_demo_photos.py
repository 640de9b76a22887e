"""The demo on photographs that have few-label splits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s4former.config.errors import UserError

if TYPE_CHECKING:
    from s4former.data.sources.base import Source
    from s4former.engine.run import Run

_SPLIT = re.compile(r"(\d+)_draw(\d+)")


def photo_run(
    data: Path, weights: str, labels: int | None, draw: int, steps: int, changes: Iterable[str] = ()
) -> Run:
    """Return the run of s4former_plus on a folder, with the settings of the recipe ``msrc.plus``.

    Args:
        data: Holds ``images/`` and ``masks/`` with ``train`` and ``val`` each, ``classes.json``, and lists
            of images as ``splits/21_draw0/labeled.txt`` and ``unlabeled.txt``.
        weights: What ``model.pretrained`` takes, for a ViT-S/14 of DINOv2 unless ``changes`` say otherwise.
        labels: How many labeled images; none: the fewest that there is a split for.
        draw: Which draw of them.
        steps: Of each of both runs.
        changes: Further overrides.

    Raises:
        UserError: If there is no such folder or split.
    """
    from s4former.recipes import load_run

    if not data.is_dir():
        raise UserError(f"there is no folder {data} (--data)")
    found = [_SPLIT.fullmatch(folder.parent.name) for folder in data.glob("splits/*/labeled.txt")]
    splits = sorted((int(each[1]), int(each[2])) for each in found if each)
    if not splits:
        raise UserError(
            f"{data} holds no splits/LABELS_drawN/labeled.txt and unlabeled.txt, as splits/21_draw0; for "
            "images without such lists, type s4former init IMAGES --masks MASKS, then s4former compare "
            "dataset.yaml --methods supervised,s4former"
        )
    wanted = (splits[0][0] if labels is None else labels, draw)
    if wanted not in splits:
        there = ", ".join(f"{count} --draw {number}" for count, number in splits)
        raise UserError(
            f"{data} has no split of --labels {wanted[0]} --draw {draw}; there are --labels {there}"
        )
    split = f"splits/{wanted[0]}_draw{draw}"
    own = [
        f"steps={steps}",
        f"evaluate_every={max(1, steps // 2)}",
        f"save_every={max(1, steps // 4)}",
        f"data.root={data}",
        f"data.labeled_split={split}/labeled.txt",
        f"data.unlabeled_split={split}/unlabeled.txt",
        f"model.pretrained={weights}",
    ]
    return load_run("msrc.plus", [*own, *changes])[0]


def spread_over_classes(source: Source, count: int) -> list[str]:
    """Return val images that show as many classes as so few can: each adds most to those before it."""
    shown = {id: set(np.unique(source.read_mask(id, "val")).tolist()) for id in source.val}
    chosen, seen = list[str](), set[int]()
    while len(chosen) < min(count, len(shown)):
        rest = (id for id in shown if id not in chosen)
        chosen.append(max(rest, key=lambda id: len(shown[id] - seen)))
        seen |= shown[chosen[-1]]
    return chosen
