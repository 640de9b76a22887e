"""'How to add' in docs/architecture.md: its files, outside of the package, in real runs of a few steps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pages import ROOT, blocks
from PIL import Image

import s4former
from s4former.config import DataError
from s4former.config.trust import TRUST
from s4former.curation import open_source
from s4former.data import DataConfig
from s4former.engine import train
from s4former.testing import check_method
from tiny_run import make_data, tiny_run

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/architecture.md"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files, on Python's path, and named as trusted as the page says."""
    monkeypatch.setenv(TRUST, "my_project")
    (tmp_path / "my_project").mkdir()
    for block in blocks(PAGE):
        (tmp_path / block.remark.removeprefix("file: ")).write_text(block.text)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def losses(place: Path, changes: dict[str, object], name: str = "run") -> list[float]:
    """Train six steps with some changes, and return the losses in the journal."""
    data = place / "data"
    run = tiny_run(data if data.exists() else make_data(data), changes)
    train(run, place / name)
    return [json.loads(line)["loss"] for line in (place / name / "journal.jsonl").open()]


def test_a_method(place: Path) -> None:
    assert losses(place, {"method": "my_project.soft"}) != losses(place, {"method": "supervised"}, "plain")
    assert s4former.load(place / "run").predict(place / "data/images/val/val0.png").mask.shape == (40, 48)
    check_method("my_project.soft")


@pytest.mark.parametrize("method", ["fixmatch", "mean_teacher", "s4former", "my_project.soft"])
def test_a_perturbation_of_any_method(place: Path, method: str) -> None:
    changes = {"method": method, "method.perturb": [{"name": "my_project.noise", "scale": 0.5}]}
    plain = losses(place, {"method": method}, "plain")
    noisy = losses(place, changes, "noisy")
    assert noisy != plain
    assert losses(place, changes, "again") == noisy


def test_a_policy(place: Path) -> None:
    changes = {"method.views.strong": [{"name": "my_project.posterize", "levels": 3}]}
    assert losses(place, changes) != losses(place, {}, "plain")


def test_an_annotation_format(place: Path) -> None:
    (place / "photos").mkdir()
    lines = []
    for number in range(4):
        Image.fromarray(np.full((40, 48, 3), 40 * number, np.uint8)).save(place / f"photos/{number}.png")
        lines.append(f"{number}.png,square,10,5,{20 + number},25\n")
    (place / "boxes.csv").write_text("".join(lines))
    (place / "val.txt").write_text("3\n")
    data = DataConfig(source="dataset", root=str(place))
    source = open_source(data)
    mask = source.read_mask(source.labeled[1], "labeled")
    assert mask.sum() == 11 * 20
    assert (mask[5:25, 10:21] == 1).all()
    run = tiny_run(place, {"method": "supervised"})
    own = {"crop_size": 32, "labeled_batch_size": 2, "unlabeled_batch_size": 2}
    run = run.model_copy(update={"data": data.model_copy(update=own)})
    assert train(run, place / "run").last


def read_first(data: DataConfig) -> np.ndarray:
    source = open_source(data)
    return source.read_mask(source.labeled[0], "labeled")


def test_a_format_that_changes_makes_masks_anew(place: Path) -> None:
    (place / "photos").mkdir()
    for number in range(2):
        Image.new("RGB", (48, 40)).save(place / f"photos/{number}.png")
    (place / "boxes.csv").write_text("0.png,square,10,5,20,25\n1.png,square,10,5,20,25\n")
    (place / "val.txt").write_text("1\n")
    data = DataConfig(source="dataset", root=str(place))
    assert read_first(data).sum() == 10 * 20
    (made,) = (place / ".s4former/masks").glob("*/conversion.json")
    before = made.stat().st_mtime_ns
    open_source(data)
    assert made.stat().st_mtime_ns == before
    with (place / "my_project/boxes.py").open("a") as file:
        file.write("\n")
    open_source(data)
    assert made.stat().st_mtime_ns > before


def test_an_unknown_format_names_those_that_there_are(place: Path) -> None:
    (place / "photos").mkdir()
    Image.new("RGB", (48, 40)).save(place / "photos/0.png")
    (place / "boxes.csv").write_text("")
    (place / "val.txt").write_text("0\n")
    file = place / "dataset.yaml"
    file.write_text(file.read_text().replace("my_project.boxes", "labelmee"))
    with pytest.raises(DataError, match=r"'labelmee'.*coco, cvat.*yolo.*import path"):
        open_source(DataConfig(source="dataset", root=str(place)))


def test_every_way_to_add_has_a_file_that_is_tried() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## How to add")[2]
    files = {block.remark.removeprefix("file: ") for block in blocks(PAGE)}
    for section in text.split("\n### ")[1:]:
        heading, _, body = section.partition("\n")
        assert not body.strip() or any(file in section for file in files), heading


@pytest.mark.parametrize(
    ("changes", "layer"),
    [
        ({"model.head": "my_project.my_head", "model.head.channels": 6}, "head.mix.weight"),
        ({"model.backbone": "my_project.my_backbone", "model.backbone.width": 8}, "backbone.embed.weight"),
    ],
    ids=["head", "backbone"],
)
def test_a_head_and_a_backbone(place: Path, changes: dict[str, object], layer: str) -> None:
    assert losses(place, changes) != losses(place, {}, "plain")
    model = s4former.load(place / "run")
    assert layer in model.network.state_dict()
    assert model.predict(place / "data/images/val/val0.png").mask.shape == (40, 48)
