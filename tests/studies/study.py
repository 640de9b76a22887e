"""A study on the tiny data set that takes seconds, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s4former.config.override import override
from s4former.engine import Run
from s4former.studies import Study, make_study
from tiny_run import make_data, tiny_run

LABELS, DRAWS = (2, 4), (0, 1)


def make_split_data(root: Path) -> Path:
    """Write the tiny data set with lists of two and four labeled images, two draws each."""
    data = make_data(root, train=8, labeled=4)
    for count in LABELS:
        for draw in DRAWS:
            folder = data / f"splits/{count}_draw{draw}"
            folder.mkdir(parents=True)
            (folder / "labeled.txt").write_text("".join(f"train{draw + n}\n" for n in range(count)))
            (folder / "unlabeled.txt").write_text("train6\ntrain7\n")
    return data


def tiny_study(root: Path, methods: str = "supervised,s4former", **options: Any) -> Study:
    """Return a study of tiny runs below ``root``, whose data set is made if it is not there."""
    data = root / "data"
    run = tiny_run(data if data.exists() else make_split_data(data), {"evaluate_every": 0})

    def base(cell: Sequence[str]) -> Run:
        return override(run, cell)[0]

    chosen = {"labels": "2", "seeds": "0", "first_steps": 3} | options
    return make_study(base, root / "out/runs", methods, **chosen)
