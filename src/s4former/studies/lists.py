"""Which images a cell learns from and is scored on: lists of the data set, and folds of labeled images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s4former.config.errors import UserError
from s4former.config.record import write_text
from s4former.curation.init.holding_out import fold
from s4former.curation.sources import open_source
from s4former.data.dataset_yaml import read_dataset_file
from s4former.data.split_lists import list_text
from s4former.types import IGNORE

if TYPE_CHECKING:
    from s4former.data.config import DataConfig
    from s4former.data.sources import Source, Split
    from s4former.engine.run import Run

SPLITS = "splits/{labels}_draw{draw}"
"""Where the lists of a cell are, from the data set's folder: ``labeled.txt`` and ``unlabeled.txt``."""


def listed(base: Callable[[Sequence[str]], Run], splits: str, labels: str, draw: int | None) -> list[str]:
    """Return the overrides that name the lists of a label count and a draw.

    Raises:
        UserError: If there is no such list; the message says which ones there are.
    """
    root, folder = Path(base([]).data.root), splits.format(labels=labels, draw=draw)
    if (root / folder / "labeled.txt").is_file():
        return [f"data.{split}_split={folder}/{split}.txt" for split in ("labeled", "unlabeled")]
    pattern = splits.format(labels="*", draw="*")
    there = sorted(str(path.parent.relative_to(root)) for path in root.glob(f"{pattern}/labeled.txt"))
    hint = f"there are {', '.join(there)}" if there else f"there is none like {pattern}/labeled.txt"
    raise UserError(
        f"--labels {labels}: there is no list {root / folder / 'labeled.txt'}; {hint} (--splits says where "
        "to look, `s4former splits make` makes lists)"
    )


def folded(run: Run, count: int, folder: Path, name: str) -> list[list[str]]:
    """Write the lists of ``count`` folds of a run's labeled images; return the overrides that name them.

    A fold is scored on its own images and learns from the other labeled ones. Images that were held out of
    the labeled ones by a list are among them again; val images in a folder of their own are left alone.

    Args:
        run: The run.
        count: How many folds.
        folder: Where to write.
        name: Start of the files' names.

    Raises:
        UserError: If the val images cannot be replaced, or the labeled ones are too few for so many folds.
    """
    source, masks = _pool(run.data)
    own = ["data.val_images=null"] if run.data.source == "folder" else []
    shown = {
        id: frozenset(np.unique(source.read_mask(id, split)).tolist()) - {IGNORE}
        for id, split in masks.items()
    }
    held_out = fold(list(masks), shown, count)
    if len(held_out) < count:
        raise UserError(
            f"--folds {count}: {len(masks)} labeled images make {len(held_out)} folds at most, as each fold "
            "has to leave every class to learn from"
        )
    found = []
    for number, images in enumerate(held_out):
        changes = list(own)
        for split, ids in (("labeled", [id for id in masks if id not in images]), ("val", images)):
            path = folder / f"{name}_{number}of{count}_{split}.txt"
            write_text(path, list_text(ids))
            changes.append(f"data.{split}_split={os.path.relpath(path, run.data.root)}")
        found.append(changes)
    return found


def _pool(data: DataConfig) -> tuple[Source, dict[str, Split]]:
    """Return a data set, and the split of each image that folds are made of, by its id.

    Raises:
        UserError: If the val images cannot be replaced.
    """
    if data.source == "scenes":
        raise UserError("--folds: made-up scenes have no lists; leave --folds out, as they are not few")
    if data.source == "folder":
        source = open_source(data.model_copy(update={"val_images": None, "val_split": None}))
        return source, dict.fromkeys(source.labeled, "labeled")
    described = read_dataset_file(Path(data.root) / data.dataset)
    if described.val and described.val.images:
        raise UserError(
            f"--folds: {data.dataset} has val images in a folder of their own; leave --folds out, or take "
            "`val:` out of the file"
        )
    source = open_source(data)
    return source, {**dict.fromkeys(source.labeled, "labeled"), **dict.fromkeys(source.val, "val")}
