"""Every odd data set gives the error, the finding or the acceptance that its case states."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import odd_descriptions
import odd_images
import odd_labels
import odd_layouts
import pytest
import torch
from odd_sets import Accepted, Case, Flawed, OddSet, Refused

from s4former.augment import Views
from s4former.config import DataError
from s4former.curation import Check, check_source, open_source, quick_check
from s4former.curation.check.findings import Kind
from s4former.data import TrainBatches
from s4former.recipes import load_data
from s4former.types import IGNORE

_TINY = ["data.crop_size=16", "data.labeled_batch_size=3", "data.unlabeled_batch_size=3"]
CASES = [
    *odd_layouts.CASES,
    *odd_descriptions.CASES,
    *odd_images.CASES,
    *odd_labels.CASES,
]


def test_the_corpus_is_large_and_its_names_differ() -> None:
    assert len(CASES) >= 100
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_kind_of_finding_has_a_case() -> None:
    found: set[str] = set()
    for case in CASES:
        if isinstance(case.outcome, Accepted | Flawed):
            found |= {*case.outcome.kinds, *getattr(case.outcome, "others", ())}
    assert found == set(get_args(Kind))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_odd_data_sets(case: Case, tmp_path: Path) -> None:
    data = OddSet(tmp_path)
    case.build(data)
    config = str(data.describe())
    before = files_in(tmp_path)
    outcome = case.outcome
    if isinstance(outcome, Refused):
        with pytest.raises(outcome.error) as caught:
            open_source(load_data(config, data.changes))
        assert type(caught.value) is outcome.error
        for word in outcome.words:
            assert word in str(caught.value)
        return
    found = load_data(config, [*data.changes, *_TINY])
    source = open_source(found)
    check = check_source(source, found)
    if isinstance(outcome, Accepted):
        assert kinds(check) == sorted(outcome.kinds)
        counts = tuple(len(ids) for ids in (source.labeled, source.unlabeled, source.val, source.test))
        assert counts == outcome.counts
        quick_check(source, found)
        draw_a_batch(TrainBatches(found, source, Views(), seed=0), len(source.classes))
    else:
        assert sorted(finding.kind for finding in check.of("error")) == sorted(outcome.kinds)
        assert kinds(check) == sorted({*outcome.kinds, *outcome.others})
        with pytest.raises(DataError) as caught:  # what the check calls an error stops training
            quick_check(source, found)
        for error in check.of("error"):
            assert error.message in str(caught.value)
            assert error.fix in str(caught.value)
    said = " ".join(f"{one.message} {one.fix} {' '.join(one.examples)}" for one in check.findings)
    for word in outcome.words:
        assert word in said
    assert files_in(tmp_path) == before


def kinds(check: Check) -> list[str]:
    return sorted({finding.kind for finding in check.findings})


def draw_a_batch(batches: TrainBatches, num_classes: int) -> None:
    batch = batches.batch(0)
    assert torch.isfinite(batch.labeled.images).all()
    assert set(batch.labeled.labels.unique().tolist()) <= {*range(num_classes), IGNORE}
    assert (batch.unlabeled is None) == (len(batches.source.unlabeled) == 0)


def files_in(root: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of all files but those of the package's own folder."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
        if ".s4former" not in path.parts and not path.is_dir()
    }
