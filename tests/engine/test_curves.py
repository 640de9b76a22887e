"""The curves that a run leaves in its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.engine import train
from s4former.engine.curves import draw_curves
from tiny_run import make_data, tiny_run

pytestmark = [pytest.mark.slow, pytest.mark.curves]


def test_a_run_ends_with_scores_and_losses_drawn(tmp_path: Path) -> None:
    whole, unscored = tmp_path / "whole", tmp_path / "unscored"
    train(tiny_run(make_data(tmp_path / "data")), whole)
    unscored.mkdir()
    shutil.copy(whole / "journal.jsonl", unscored)
    draw_curves(unscored)
    both, losses = (Image.open(folder / "curves.png") for folder in (whole, unscored))
    assert both.width == 2 * losses.width  # scores beside losses, and losses alone
    for picture in (both, losses):
        lines = np.asarray(picture.convert("HSV"))[..., 1] > 100  # colored, as no text and no axis is
        assert lines[:, : losses.width].any()
        assert lines[:, -losses.width :].any()


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").touch()
    draw_curves(tmp_path)
    assert not (tmp_path / "curves.png").exists()
