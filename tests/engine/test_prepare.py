"""What `train` refuses before its first step, `check` names, and no run folder is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from command_line import CommandLine
from s4former.curation import open_source
from s4former.engine.prepare import prepare
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

PUP = {"model.head": "setr_pup", "model.head.channels": 8, "model.head.num_convs": 2}
ONE_PATCH = PUP | {"data.crop_size": 8, "method.patch_shuffle": False}


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


def one_class(data: Path) -> None:
    (data / "classes.json").write_text('{"names": ["all"]}')
    for mask in data.glob("masks/*/*.png"):
        Image.fromarray(np.zeros((40, 48), np.uint8)).save(mask)


def as_it_is(data: Path) -> None:
    """Leave the data alone."""


def huge_val(data: Path) -> None:
    Image.new("RGB", (2100, 2100), (9, 9, 9)).save(data / "images/val/val0.png")
    Image.new("L", (2100, 2100)).save(data / "masks/val/val0.png")


CASES: dict[str, tuple[Callable[[Path], None], dict[str, Any], int, str]] = {
    "one class": (one_class, {}, 3, "there is one class, all"),
    "a crop of no whole patches": (
        as_it_is,
        {"data.crop_size": 36, "method.patch_shuffle": False},
        1,
        "[32, 32]",
    ),
    "a crop of no whole blocks": (
        as_it_is,
        {"data.crop_size": 40},
        1,
        "data.crop_size=40 does not fit: PatchShuffle",
    ),
    "one patch of one labeled image": (
        as_it_is,
        ONE_PATCH | {"data.labeled_batch_size": 1},
        1,
        "set data.labeled_batch_size=2 or more",
    ),
    "one patch of one unlabeled image": (
        as_it_is,
        ONE_PATCH | {"data.unlabeled_batch_size": 1},
        1,
        "data.crop_size=[16,16]",
    ),
    "an image too large for one piece": (huge_val, {}, 1, "evaluate.mode=slide"),
    "windows with gaps": (as_it_is, {"evaluate.mode": "slide", "evaluate.stride": 40}, 1, "evaluate.stride"),
    "no test images": (as_it_is, {"evaluate.part": "test"}, 3, "there are no test images"),
    "blocks that are not there": (as_it_is, {"model.head.out_indices": [7]}, 1, "model.head.out_indices"),
    "no weights": (as_it_is, {"model.pretrained": "nowhere.safetensors"}, 1, "nowhere.safetensors"),
    "nowhere to start from": (as_it_is, {"load_from": "nowhere"}, 1, "nowhere"),
    "a device that is not there": (as_it_is, {"device": "cuda:77"}, 1, "cuda"),
}


@pytest.mark.parametrize("name", CASES)
def test_train_refuses_and_check_names_the_same(shell: CommandLine, tmp_path: Path, name: str) -> None:
    spoil, changes, code, words = CASES[name]
    data = make_data(tmp_path / "data")
    spoil(data)
    run = tiny_run(data, {"method.name": "s4former"} | changes)
    Path("run.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json")))
    assert shell("train", "run.yaml", "--out", "run") == code
    assert words in shell.err
    assert not Path("run").exists()
    assert shell("check", "run.yaml") == code
    assert words in shell.out
    assert "next:" not in shell.out


def test_batches_that_a_batch_norm_can_use_are_taken(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    supervised = {"method.name": "supervised", "data.unlabeled_batch_size": 1, "data.crop_size": 8}
    without_a_norm = {"data.crop_size": 8, "method.patch_shuffle": False, "data.labeled_batch_size": 1}
    for changes in (ONE_PATCH, PUP | supervised, without_a_norm):
        run = tiny_run(data, changes).resolved()
        prepare(run, open_source(run.data), torch.device("cpu"))


def test_a_sound_run_is_not_refused(shell: CommandLine, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    Path("run.yaml").write_text(yaml.safe_dump(tiny_run(data, {"steps": 1}).model_dump(mode="json")))
    assert shell("check", "run.yaml") == 0
    assert "next: s4former train run.yaml" in shell.out
    assert shell("train", "run.yaml", "--out", "run") == 0


def test_parts_that_a_run_has_no_use_for_do_not_stop_it(shell: CommandLine, tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    for file in data.glob("images/train/train[234].png"):
        file.write_bytes(b"")
    for kind in ("images", "masks"):
        (data / kind / "test").mkdir()
        Image.new("RGB" if kind == "images" else "L", (8, 8), 9).save(data / kind / "test/t.png")
    run = tiny_run(data, {"steps": 1})
    Path("run.yaml").write_text(yaml.safe_dump(run.model_dump(mode="json")))
    assert shell("check", "run.yaml") == 3
    assert "error: 3 of 3 unlabeled images cannot be read" in shell.out
    assert "warning: 1 of 1 masks hold values that are no class: 9" in shell.out
    assert shell("train", "run.yaml", "--out", "run") == 3
    assert shell("check", "run.yaml", "method=supervised") == 0
    assert "warning: 3 of 3 unlabeled images cannot be read" in shell.out
    assert shell("train", "run.yaml", "method=supervised", "--out", "run") == 0


def test_unlabeled_images_are_read_where_the_method_learns_from_them(tmp_path: Path) -> None:
    changes = {"method.unlabeled_start_step": 2, "method.unlabeled_ramp_steps": 2}
    run = tiny_run(make_data(tmp_path / "data"), changes).resolved()
    batches = prepare(run, open_source(run.data), torch.device("cpu")).batches
    read = [batches.batch(step).unlabeled is not None for step in range(5)]
    assert read == [False, False, False, True, True]  # the first step of a ramp weighs nothing
    assert [batches.images(step) for step in (0, 4)] == [2, 4]
