"""``s4former prepare`` and ``s4former splits`` as people type them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from PIL import Image

import miniatures
from command_line import CommandLine
from loopback import serve
from s4former.data import published_lists as published_splits
from s4former.data.published_lists import PublishedList, Publisher
from tiny_run import make_data

pytestmark = pytest.mark.slow


class Shell(CommandLine):
    """Keeps what commands printed on one line each."""

    def __call__(self, *arguments: object) -> int:
        code = super().__call__(*arguments)
        self.out, self.err = (" ".join(text.split()) for text in (self.out, self.err))
        return code


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys, columns=200)


def test_prepare_voc_then_make_and_check_splits(shell: Shell, tmp_path: Path) -> None:
    miniatures.voc_archives(tmp_path / "archives")
    assert shell("prepare", "voc", "--archives", "archives", "--dry-run") == 0
    assert "to unpack" in shell.out
    assert not (tmp_path / "data").exists()
    assert shell("prepare", "voc", "--archives", "archives") == 0
    assert "SegmentationClassAug, train_aug.txt: 5 files written" in shell.out
    assert "split lists of the S4Former release: 19 files written" in shell.out
    assert "labeled: 4 images (10,582 published)" in shell.out
    assert "masks read: 6, all values known" in shell.out
    assert "scores on this data compare with no published ones" in shell.err
    with Image.open(tmp_path / "data/voc.png") as sheet:
        assert min(sheet.size) > 200

    shell("prepare", "voc", "--archives", "archives", "--dry-run")
    assert "there split lists of the S4Former release" in shell.out
    assert shell("splits", "fetch", "s4former", "--root", "data") == 0  # Cityscapes' four, without a network
    assert shell.out.count("was there") == 19
    folder = "data/VOCdevkit/VOC2012"
    assert shell("splits", "make", "voc", "--labeled", "1/2", "--seed", 3) == 0
    assert f"2 labeled and 2 unlabeled images: {folder}/splits/1_2_seed3" in shell.out
    assert "data.labeled_split=splits/1_2_seed3/labeled.txt" in shell.out
    made = f"{folder}/splits/1_2_seed3"
    assert json.loads((tmp_path / made / "split.json").read_text())["seed"] == 3
    assert shell("splits", "check", made, f"{folder}/ImageSets/Segmentation/val.txt", "--root", folder) == 0
    assert "labeled.txt" in shell.out
    (tmp_path / made / "labeled.txt").write_text("2007_000032\n2007_000032\nnone\n")
    assert shell("splits", "check", made, "--root", folder) == 3
    assert "1 images are named more than once: 2007_000032" in shell.err
    assert "1 files are not in" in shell.err


def test_prepare_cityscapes_says_what_to_get(shell: Shell, tmp_path: Path) -> None:
    assert shell("prepare", "cityscapes", "--root", "sets") == 1
    assert "to get by hand" in shell.out
    assert "leftImg8bit_trainvaltest.zip (11.6 GB) and gtFine_trainvaltest.zip (253 MB)" in shell.err
    assert "https://www.cityscapes-dataset.com/downloads/" in shell.err
    miniatures.cityscapes_archives(tmp_path / "archives")
    assert shell("prepare", "cityscapes", "--root", "sets", "--archives", "archives") == 0
    assert (tmp_path / "sets/cityscapes.png").exists()


def test_splits_of_a_folder(shell: Shell, tmp_path: Path) -> None:
    miniatures.camvid_archives(tmp_path / "archives")
    assert shell("prepare", "camvid", "--archives", "archives") == 0
    assert shell("splits", "make", "data/camvid", "--labeled", "2", "--out", "lists") == 0
    assert f"data.labeled_split={tmp_path / 'lists/labeled.txt'}" in shell.out
    assert shell("splits", "make", "data/camvid", "--labeled", "1", "--out", "lists") == 1
    assert "type --out NEW_FOLDER" in shell.err
    fields = ("train_images=images/val", "train_masks=masks/val", "val_images=null")
    assert shell("splits", "make", "data/camvid", *fields, "--labeled", "50%", "--out", "of_val") == 0
    assert (tmp_path / "of_val/labeled.txt").read_text() in ("images/val/val_0\n", "images/val/val_1\n")


def test_splits_of_a_dataset_file(shell: Shell, tmp_path: Path) -> None:
    make_data(tmp_path / "mine", train=4, labeled=4)
    (tmp_path / "mine/dataset.yaml").write_text(
        "names: [a, b, c]\nlabeled: {images: images/train, masks: masks/train}\n"
    )
    assert shell("splits", "make", "mine/dataset.yaml", "--labeled", "1/4") == 0
    assert "1 labeled and 3 unlabeled images: mine/splits/1_4" in shell.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["prepare", "cityscape"], 1, "did you mean cityscapes"),
        (["prepare", "voc", "--archives", "none"], 1, "there is no folder none"),
        (["splits", "fetch", "unimatch2"], 1, "did you mean unimatch"),
        (["splits", "make", "nowhere", "--labeled", "1/2"], 1, "there is no folder nowhere"),
        (["splits", "make", "."], 2, "Missing option '--labeled'"),
        (["splits", "make", ".", "--labeled", "1/2"], 3, "cannot read the classes file"),
        (["splits", "make", ".", "crop=3", "--labeled", "1/2"], 1, "crop_size"),
        (["splits", "check", "none.txt"], 3, "there is no split list none.txt"),
    ],
)
def test_mistakes(shell: Shell, arguments: list[str], code: int, words: str) -> None:
    assert shell(*arguments) == code
    assert words in shell.err


def test_fetch(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = (
        PublishedList("data/a.txt", "cityscapes/datasplits/a.txt", 1, None),
        PublishedList("data/b.txt", "cityscapes/datasplits/b.txt", 1, "0" * 64),
    )
    with serve() as site:
        site.files = {"data/a.txt": b"one", "data/b.txt": b"two"}
        nobody = Publisher("http://127.0.0.1:1", lists[:1])
        monkeypatch.setattr(published_splits, "PUBLISHERS", {"nobody": nobody})
        assert shell("splits", "fetch", "nobody", "--root", "sets", "--from", site.address) == 0
        assert "cityscapes/datasplits/a.txt │ 1 │ not known" in shell.out
        assert "unverified: the checksums of 1 lists are not known" in shell.err
        both = dataclasses.replace(nobody, lists=lists)
        monkeypatch.setattr(published_splits, "PUBLISHERS", {"nobody": both})
        assert shell("splits", "fetch", "nobody", "--root", "sets", "--from", site.address) == 3
    assert "1 lists are not in place" in shell.err
    assert (tmp_path / "sets/cityscapes/datasplits/a.txt").read_text() == "one"
    assert not (tmp_path / "sets/cityscapes/datasplits/b.txt").exists()
