"""``s4former check`` as people type it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from command_line import CommandLine
from s4former.config.invocation import PROGRAM
from s4former.engine.pace import Pace
from tiny_run import NAMES, make_data

pytestmark = pytest.mark.slow


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    make_data(tmp_path / "data")
    labeled = {"images": "images/train", "masks": "masks/train", "list": "labeled.txt"}
    content = {
        "names": NAMES,
        "labeled": labeled,
        "unlabeled": {"images": "images/train"},
        "val": {"images": "images/val", "masks": "masks/val"},
    }
    (tmp_path / "data/dataset.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("s4former.engine.timing.measure_pace", lambda *_: Pace(0.6, 0.3, 2.0))
    return CommandLine(monkeypatch, capsys)


def spoil(mask: str) -> None:
    labels = np.array(Image.open(mask))
    labels[5] = 7
    Image.fromarray(labels).save(mask)


def test_a_good_data_set(shell: CommandLine) -> None:
    assert shell("check", "data/dataset.yaml") == 0
    assert "11 files: nothing to complain about" in shell.out
    assert "next: s4former train data/dataset.yaml" in shell.out
    assert "data.crop_size=112: shorter sides are 40 pixels" in shell.out
    assert "data.labeled_batch_size=" in shell.out
    assert "method.confidence_threshold=0.95" in shell.out
    # 500 steps of labeled images alone, 500 of all, and 5 scorings of 2 images
    assert re.search(r"time: about 8 minutes on this machine \(.*0\.6 s a step\)", shell.out)
    assert shell("check", "data/dataset.yaml") == 0
    assert "11 files (11 of them known from an earlier check): nothing to complain about" in shell.out


def test_what_is_next_is_typed_as_the_command_was(
    shell: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRAM, "python3 bootstrap.py s4former")
    assert shell("check", "data/dataset.yaml") == 0
    assert "next: python3 bootstrap.py s4former train data/dataset.yaml\n" in shell.out
    assert shell("init", "data/images/train", "--masks", "data/masks/train", "--out", "my data.yaml") == 0
    assert "python3 bootstrap.py s4former check 'my data.yaml'\n" in shell.out
    assert "python3 bootstrap.py s4former train 'my data.yaml'\n" in shell.out
    assert shell("check", "data") == 1
    assert "`python3 bootstrap.py s4former init data` writes a dataset.yaml" in shell.err


def test_errors_are_named_with_their_repair_and_the_exit_code_is_3(
    shell: CommandLine, tmp_path: Path
) -> None:
    spoil("data/masks/train/train0.png")
    (tmp_path / "data/images/val/val1.png").write_bytes(b"")
    (tmp_path / "data/masks/train/train4.png").write_bytes(b"of an unlabeled image")
    assert shell("check", "data/dataset.yaml", "--html", "check.html") == 3
    assert "error: 1 of 4 masks hold values that are no class: 7 (48 pixels in 1 masks)" in shell.out
    assert "    masks/train/train0.png (7: 48 pixels)" in shell.out
    assert "[unknown_value]" in shell.out
    assert "cannot be read" in shell.out
    assert "2 errors" in shell.out
    assert "to do:" not in shell.out
    assert "--fix-suggestions says what to do" in shell.out
    assert "next:" not in shell.out
    assert "unknown_value" in (tmp_path / "check.html").read_text()
    assert shell("check", "data/dataset.yaml", "--fix-suggestions") == 3
    assert "to do: If this is one more class, add {name: NAME, values: [7]} to names" in shell.out
    assert "train4" not in shell.out


def test_overrides_and_configs_of_runs(shell: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text("train0\ntrain1\ntrain2\n")
    assert shell("check", "data/dataset.yaml", "data.labeled_split=../all.txt", "steps=9") == 0
    assert "12 files" in shell.out
    assert "next: s4former train data/dataset.yaml data.labeled_split=../all.txt steps=9" in shell.out
    (tmp_path / "run.yaml").write_text("data: {root: data, crop_size: 112}\n")
    assert shell("check", "run.yaml", "--html", "pages/run.html") == 0
    assert "note: there are no unlabeled images" in shell.out
    assert "data.crop_size=112" in (tmp_path / "pages/run.html").read_text()


def test_what_cannot_be_checked(shell: CommandLine) -> None:
    assert shell("check", "demo") == 1
    assert "has no files to check" in shell.err
    assert shell("check", "no_such_recipe") == 1
    assert shell("check", "nowhere.yaml") == 1
    assert shell("check", "data/dataset.yaml", "data.crop=5") == 1
    assert "did you mean" in shell.err


def test_training_refuses_what_the_check_found(shell: CommandLine) -> None:
    spoil("data/masks/train/train0.png")
    spoil("data/masks/train/train1.png")
    assert shell("train", "data/dataset.yaml", "model.pretrained=none", "--out", "run") == 3
    assert "2 of 4 masks hold values that are no class: 7 (96 pixels in 2 masks)" in shell.err
    assert "masks/train/train0.png (7: 48 pixels), masks/train/train1.png (7: 48 pixels)" in shell.err
    assert not Path("run").exists()
