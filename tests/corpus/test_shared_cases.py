"""Data sets as people have them (``shared/cases``): `init`, then what the source reads, then the check."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from s4former.curation import check_source, open_source, quick_check
from s4former.curation.init.describe import describe
from s4former.curation.init.text import dataset_text
from s4former.recipes import load_data
from s4former.types import IGNORE

_SCRIPT = Path(__file__).resolve().parents[3] / "shared" / "cases" / "make_cases.py"


@pytest.fixture(scope="module")
def cases() -> ModuleType:
    if not _SCRIPT.is_file():
        if os.environ.get("CI") == "true":
            pytest.fail(f"there is no {_SCRIPT}")
        pytest.skip(f"there is no {_SCRIPT}: the small data sets lie beside the checkout")
    spec = importlib.util.spec_from_file_location("make_cases", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_cases"] = module
    spec.loader.exec_module(module)
    return module


def foreground(labels: np.ndarray) -> np.ndarray:
    return (labels > 0).astype(np.uint8)


def less_one(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == 0, IGNORE, labels - 1).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "expected", "said"),
    [
        ("palettes_disagree", np.asarray, "read by color"),
        ("mask_of_pages", np.asarray, "is taken for a class, in their order"),
        ("mask_min_is_white", np.asarray, "0 stays 0"),
        ("masks_of_two_habits", foreground, "255 and 1 are both taken for the class foreground"),
        ("minus_one", less_one, "-1 is taken for unknown"),
        ("nodata", np.asarray, "-9999, which images declare to be no data"),
    ],
)
def test_masks_mean_what_they_should(
    cases: ModuleType, tmp_path: Path, name: str, expected: Callable[[np.ndarray], np.ndarray], said: str
) -> None:
    getattr(cases, name)(tmp_path)
    found = describe([tmp_path / "photos"], tmp_path / "masks", None, tmp_path)
    assert said in " ".join(found.decided)
    (tmp_path / "dataset.yaml").write_text(dataset_text(found.file))
    config = load_data(str(tmp_path / "dataset.yaml"), [])
    source = open_source(config)
    assert len(source.labeled) == 2
    for id in source.labeled:
        assert np.array_equal(source.read_mask(id, "labeled"), expected(cases.LABELS))
    quick_check(source, config)
    assert not check_source(source, config).of("error")
    if name == "nodata":
        low, high = found.file.value_range or (0, 0)
        assert 0 <= low < 5
        assert 250 < high <= 255
        image = source.read_image(source.labeled[0], "labeled")
        assert (image[:, :20] == 0).all()
        assert image[:, 20:].std() > 60


def test_what_init_advises_works_when_typed(cases: ModuleType, tmp_path: Path) -> None:
    """Black is a class at first; the line that `init` says makes it unknown."""
    cases.palettes_disagree(tmp_path)
    found = describe([tmp_path / "photos"], tmp_path / "masks", None, tmp_path)
    advice = next(line for line in found.decided if "black" in line)
    assert "write ignore: [[0, 0, 0]] and take the class background out of names" in advice
    data = yaml.safe_load(dataset_text(found.file))
    data["names"] = [entry for entry in data["names"] if entry["name"] != "background"]
    for written in ([[0, 0, 0]], [0, 0, 0], ["#000000"]):
        (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({**data, "ignore": written}))
        source = open_source(load_data(str(tmp_path / "dataset.yaml"), []))
        for id in source.labeled:
            assert np.array_equal(source.read_mask(id, "labeled"), less_one(cases.LABELS))
