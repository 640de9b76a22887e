"""Losses of 20 steps of every recipe, shrunk, against the numbers in ``losses.json``.

A changed number fails here until it is written down under "Numbers changed" in the changelog and recorded:

    python tests/reference/record.py

One thread; each number to 0.2 % and 2e-5, a share of pixels to 0.01: what the order of sums makes of 20 steps
on another processor is below that.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shrunk

from tiny_run import make_data

pytestmark = pytest.mark.slow

RECORDED = Path(__file__).parent / "losses.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    make_data(folder / "data", train=6, val=1, labeled=2)
    return folder


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, tuple[shrunk.Run, list[str]]]:
    return shrunk.subjects(folder / "data")


def test_every_recipe_is_recorded(runs: dict[str, tuple[shrunk.Run, list[str]]]) -> None:
    recorded = json.loads(RECORDED.read_text())
    assert {name: recipes for name, (_, recipes) in runs.items()} == {
        name: record["recipes"] for name, record in recorded.items()
    }


@pytest.mark.parametrize("name", json.loads(RECORDED.read_text()) if RECORDED.exists() else ())
def test_losses_are_those_recorded(
    name: str, runs: dict[str, tuple[shrunk.Run, list[str]]], folder: Path
) -> None:
    recorded = json.loads(RECORDED.read_text())[name]["losses"]
    found = shrunk.losses(runs[name][0], folder / name)
    assert found.keys() == recorded.keys()
    for what, numbers in recorded.items():
        tolerance = {"abs": 0.01} if what.startswith("pseudo") else {"rel": 2e-3, "abs": 2e-5}
        assert found[what] == pytest.approx(numbers, **tolerance), what
