"""The scripts that make the pictures of ``docs/`` run, with tiny networks."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from pages import ROOT
from PIL import Image
from shell import Shell

import s4former

FOLDER = ROOT / "docs/images"


@pytest.mark.slow
def test_pictures_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Shell(monkeypatch, capsys)  # makes training small
    monkeypatch.syspath_prepend(str(FOLDER))
    out = tmp_path / "pictures"
    monkeypatch.setattr(sys, "argv", ["make", str(tmp_path / "practice"), "--out", str(out)])
    runpy.run_path(str(FOLDER / "make_your_own_data.py"), run_name="__main__")
    made = {path.name: Image.open(path).size for path in out.iterdir()}
    published = {path.name: Image.open(path).size for path in FOLDER.glob("cells_*.png")}
    assert made == published


@pytest.mark.slow
@pytest.mark.curves
def test_pictures_of_a_trained_model_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Shell(monkeypatch, capsys) and s4former.train("demo", ["threads=1"], out=tmp_path / "run").folder
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", ["make", str(run), "--out", str(tmp_path)])
    runpy.run_path(str(FOLDER / "make_after_training.py"), run_name="__main__")
    assert Image.open(tmp_path / "predict.png").size == Image.open(FOLDER / "predict.png").size
    assert Image.open(tmp_path / "label_next.png").width == Image.open(FOLDER / "label_next.png").width


def test_cells_are_where_the_masks_say() -> None:
    draw = runpy.run_path(str(FOLDER / "make_cells.py"))["draw_dish"]
    photo, mask = draw(1)
    again, _ = draw(1)
    assert (photo == again).all()
    assert sorted(set(mask.flat)) == [0, 255]
    assert photo[mask == 255].mean() > 2 * photo[mask == 0].mean()
