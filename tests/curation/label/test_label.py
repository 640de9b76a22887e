"""`s4former label`: whose masks are written where, and what comes back from them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import s4former
from command_line import CommandLine
from s4former.config import Ledgers
from s4former.config.outputs import HUMAN_MASK, MACHINE_MASK
from s4former.curation import open_source
from s4former.curation.annotations import convert
from s4former.curation.label.origins import whose
from s4former.data import DataConfig
from s4former.engine import train
from tiny_run import NAMES, make_data, tiny_run

pytestmark = pytest.mark.slow

COLORS = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0)], np.uint8)
WHITE = (255, 255, 255)
DATASET = """
names:
  - {name: background, values: ["#000000"]}
  - {name: square, values: ["#ff0000"]}
  - {name: disk, values: ["#00ff00"]}
ignore: ["#ffffff"]
labeled: {images: images/train, masks: masks/train, list: labeled.txt}
unlabeled: {images: images/train}
val: {images: images/val, masks: masks/val}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a data set whose masks are colors."""
    root = tmp_path_factory.mktemp("label")
    data = make_data(root / "data")
    for file in data.glob("masks/*/*.png"):
        mask = np.array(Image.open(file))
        colored = np.where((mask == 255)[..., None], 255, COLORS[np.minimum(mask, 2)]).astype(np.uint8)
        Image.fromarray(colored).save(file)
    (data / "dataset.yaml").write_text(DATASET)
    train(tiny_run(data, {"data.source": "dataset", "data.labeled_split": None}), root / "run")
    return root


@pytest.fixture
def s4(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trained: Path) -> CommandLine:
    monkeypatch.chdir(trained)
    return CommandLine(monkeypatch, capsys)


def label(s4: CommandLine, out: Path, *more: object, model: str = "run") -> int:
    return s4("label", model, "data/images/train", "data/images/val", "--out", out, *more)


def test_masks_come_in_the_values_of_the_data_set_and_train_as_they_are(
    s4: CommandLine, trained: Path, tmp_path: Path
) -> None:
    before = {
        file: file.read_bytes() for file in (trained / "data").rglob("*.*") if ".s4former" not in file.parts
    }
    assert label(s4, tmp_path, "--threshold", "0.34", "--next", 2) == 0, s4.err
    assert "3 machine-made and 2 of yours, in your values" in s4.out
    assert "2 images of val and test are left out" in s4.out
    assert "the teacher and its student" in s4.out
    assert all(file.read_bytes() == content for file, content in before.items())
    allowed = {*map(tuple, COLORS.tolist()), WHITE}
    for number in range(5):
        mask = np.array(Image.open(tmp_path / f"masks/train{number}.png"))
        assert set(map(tuple, mask.reshape(-1, 3).tolist())) <= allowed
        own = np.array(Image.open(trained / f"data/masks/train/train{number}.png"))
        assert np.array_equal(mask, own) == (number < 2), "human labels win over machine ones"
        kind = HUMAN_MASK if number < 2 else MACHINE_MASK
        assert Ledgers().wrote(tmp_path / f"masks/train{number}.png", kind)
    rows = list(csv.DictReader((tmp_path / "labels.csv").open()))
    assert [row["made_by"] for row in rows] == ["person"] * 2 + ["machine"] * 3
    chosen = list(csv.DictReader((tmp_path / "next.csv").open()))
    assert [row["rank"] for row in chosen] == ["1", "2"]
    assert all(row["reason"] for row in chosen)
    assert Image.open(tmp_path / "next.png").width > 400
    changes = {"steps": 2, "evaluate_every": 0, "data.source": "dataset", "data.labeled_split": None}
    s4former.train(tiny_run(tmp_path, changes), out=tmp_path / "again", progress=False)
    record = json.loads((tmp_path / "again/run.json").read_text())["data"]
    assert (record["labeled"], record["unlabeled"], record["val"]) == (5, 3, 2)


@pytest.mark.parametrize("format", ["coco", "labelme"])
def test_annotation_files_read_back_as_the_masks(
    s4: CommandLine, trained: Path, tmp_path: Path, format: str
) -> None:
    assert label(s4, tmp_path, "--threshold", "0") == 0, s4.err
    images = {f"train{number}": trained / f"data/images/train/train{number}.png" for number in (2, 3, 4)}
    annotations = tmp_path / {"coco": "coco.json", "labelme": "labelme"}[format]
    found = convert(annotations, format, images, NAMES, 255, tmp_path / "back")
    assert set(found.ids) == set(images)
    equal = []
    for id in images:
        mask = np.array(Image.open(tmp_path / f"masks/{id}.png"))
        indices = (mask[..., None, :] == COLORS).all(-1).argmax(-1)
        equal.append((np.array(Image.open(tmp_path / f"back/{id}.png")) == indices).mean())
    assert np.mean(equal) >= 0.99


def test_what_a_person_changed_is_kept_and_counts_as_theirs(
    s4: CommandLine, trained: Path, tmp_path: Path
) -> None:
    assert s4("label", "run", "data/images/train/train2.png", "--out", tmp_path) == 0, s4.err
    mask = tmp_path / "masks/train2.png"
    Image.new("RGB", (48, 40), (255, 0, 0)).save(mask)
    assert label(s4, tmp_path) == 0, s4.err
    assert Image.open(mask).getcolors() == [(48 * 40, (255, 0, 0))]
    assert "2 machine-made and 3 of yours" in s4.out
    (tmp_path / "next.csv").write_text("mine")
    assert label(s4, tmp_path) == 1
    assert "next.csv has been changed since s4former wrote it" in s4.err
    assert (tmp_path / "next.csv").read_text() == "mine"


def test_a_model_alone_knows_no_masks_of_a_person(s4: CommandLine, trained: Path, tmp_path: Path) -> None:
    assert label(s4, tmp_path, model="run/model") == 0, s4.err
    assert "7 machine-made and 0 of yours, in your values" in s4.out
    assert "a model folder knows none of your masks" in s4.out
    assert "no validation images are known" in s4.out
    assert "the image and its mirror image" in s4.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "data/images/val"], 1, "all of these images are held out by the run"),
        (["run", "data/images/train", "--threshold", "1.5"], 2, "expected auto or a number from 0 to 1"),
        (["nowhere", "data/images/train"], 1, "there is no nowhere"),
        (["run", "data/images/train", "--device", "tpu"], 1, "--device tpu"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    s4: CommandLine, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    assert s4("label", *arguments, "--out", tmp_path / "out") == code
    assert message in s4.err
    assert not (tmp_path / "out").exists()


def test_a_data_set_that_is_gone_is_told(s4: CommandLine, trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained / "run", tmp_path / "run"))
    record = json.loads((run / "run.json").read_text())
    record["run"]["data"]["root"] = "gone"
    (run / "run.json").write_text(json.dumps(record))
    assert label(s4, tmp_path / "out", model=str(run)) == 3
    assert "cannot be opened" in s4.err
    assert str(run / "model") in s4.err


def test_an_image_of_both_lists_keeps_its_persons_mask(tmp_path: Path) -> None:
    for folder, shape in (("images", (8, 8, 3)), ("masks", (8, 8))):
        (tmp_path / folder).mkdir()
        for name in "ab":
            Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "labeled.txt").write_text("a\n")
    (tmp_path / "unlabeled.txt").write_text("a\nb\n")
    (tmp_path / "dataset.yaml").write_text(
        "format: s4former-dataset/1\nnames: [ground]\n"
        "labeled: {images: images, masks: masks, list: labeled.txt}\n"
        "unlabeled: {images: images, list: unlabeled.txt}\n"
    )
    source = open_source(DataConfig(root=str(tmp_path), source="dataset"))
    images = [(name, tmp_path / "images" / f"{name}.png") for name in "ab"]
    items, _ = whose(images, source, tmp_path / "out")
    assert [item.human for item in items] == [True, False]
