"""From a folder to a prediction at the ends of the scale: few images, many classes, tiny and long images."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.cli.main import main
from s4former.engine import read_lines
from s4former.methods import config_class, method_names

pytestmark = pytest.mark.slow

TINY = [
    "steps=2",
    "evaluate_every=1",
    "log_every=1",
    "threads=1",
    "device=cpu",
    "data.labeled_batch_size=2",
    "data.unlabeled_batch_size=2",
    "data.crop_size=64",
    "model.backbone=vit",
    "model.backbone.image_size=[32,32]",
    "model.backbone.patch_size=8",
    "model.backbone.embed_dim=16",
    "model.backbone.depth=2",
    "model.backbone.num_heads=2",
    "model.pretrained=none",
    "model.head.out_indices=null",
    "model.frozen_blocks=0",
]


@dataclass(frozen=True)
class Folder:
    """A folder of images to make: how many have a mask, how many more have none, and what is in the masks."""

    labeled: int = 3
    unlabeled: int = 2
    size: tuple[int, int] = (40, 56)
    values: tuple[int, ...] = (0, 1, 2)
    own_size: bool = False

    def write(self, root: Path) -> None:
        generator = np.random.default_rng(0)
        for kind in ("images", "masks"):
            (root / kind).mkdir(parents=True)
        for number in range(self.labeled + self.unlabeled):
            pixels = generator.integers(0, 256, (*self.size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"images/{number}.png")
            if number < self.labeled:
                places = (np.arange(np.prod(self.size)) + number).reshape(self.size) % len(self.values)
                Image.fromarray(np.array(self.values, np.uint8)[places]).save(root / f"masks/{number}.png")


@pytest.fixture
def type_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command in the test's folder, and return all that it printed."""

    def run(*words: str, place: Path = tmp_path) -> str:
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["s4former", *words])
        code: object = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        said = "".join(capsys.readouterr())
        assert code == 0, said
        return said

    return run


FOLDERS = {
    "one_labeled": Folder(labeled=1, unlabeled=3),
    "nothing_but_one_labeled": Folder(labeled=1, unlabeled=0),
    "no_unlabeled": Folder(unlabeled=0),
    "binary": Folder(values=(0, 255)),
    "150_classes": Folder(values=tuple(range(150))),
    "20_pixels": Folder(size=(20, 20), own_size=True),
}
ODD_SIZES = {
    "20_pixels_enlarged": Folder(size=(20, 20)),
    "one_row": Folder(size=(1, 90), own_size=True),
    "one_column": Folder(size=(90, 1), own_size=True),
    "three_rows_enlarged": Folder(size=(3, 9)),
    "one_pixel": Folder(size=(1, 1), own_size=True),
}


@pytest.mark.parametrize(
    "name", [*FOLDERS, *(pytest.param(name, marks=pytest.mark.slow) for name in ODD_SIZES)]
)
def test_from_a_folder_to_a_prediction(type_in, tmp_path: Path, name: str) -> None:
    folder = (FOLDERS | ODD_SIZES)[name]
    folder.write(tmp_path)
    val = ["--val", "0.4"] if folder.labeled > 1 else []
    said = type_in("init", "images", "--masks", "masks", *val)
    assert ("masks hold only 0 and 255" in said) == (folder.values == (0, 255))
    own_size = ["data.short_side=null", "evaluate.short_side=null"] if folder.own_size else []
    said = type_in("train", "dataset.yaml", *TINY, *own_size, "--out", "run")
    assert ("method=supervised: there is no unlabeled image" in said) == (folder.unlabeled == 0)
    lines = read_lines(tmp_path / "run/journal.jsonl")
    assert [line["step"] for line in lines] == [1, 2]
    assert all(np.isfinite(value) for line in lines for value in line.values() if isinstance(value, float))
    type_in("predict", "run", "images", "--out", "out", "--confidence")
    mask = np.asarray(Image.open(tmp_path / "out/0.png"))
    assert mask.shape == folder.size
    assert mask.max() < len(folder.values)
    for picture in ("0_overlay.png", "0_confidence.png"):
        assert Image.open(tmp_path / "out" / picture).size == folder.size[::-1]
    if "\nval:" in (tmp_path / "dataset.yaml").read_text():  # one pixel is all that its class has
        scores = json.loads(type_in("val", "run", "device=cpu", "--json"))
        assert scores["images"] > 0
        assert len(scores["iou"]) == len(folder.values)
        assert 0 <= scores["miou"] <= 1
        said = type_in("val", "run", "device=cpu", "evaluate.mode=slide", "--json")
        windows, _ = json.JSONDecoder().raw_decode(said)  # a note on the difference follows
        assert 0 <= windows["miou"] <= 1


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where folders lie that one test has described, for all methods to train on."""
    return tmp_path_factory.mktemp("described")


METHODS_AND_FOLDERS = [
    *((method, name) for method in method_names() for name in ("binary", "150_classes", "20_pixels")),
    # That all methods bear few images is a law: tests/laws/test_runs.py.
    *(
        (method, name)
        for method in ("supervised", "fixmatch")
        for name in ("nothing_but_one_labeled", "no_unlabeled")
    ),
]


@pytest.mark.parametrize(("method", "name"), METHODS_AND_FOLDERS)
def test_every_method_stays_finite(type_in, described: Path, tmp_path: Path, name: str, method: str) -> None:
    folder, place = FOLDERS[name], described / name
    if not place.exists():
        folder.write(place)
        type_in("init", "images", "--masks", "masks", place=place)
    said = type_in("train", str(place / "dataset.yaml"), *TINY, f"method={method}", "--out", "run")
    for line in read_lines(tmp_path / "run/journal.jsonl"):
        assert all(np.isfinite(value) for value in line.values() if isinstance(value, float)), line
    lonely = folder.unlabeled == 0 and config_class(method)().views.unlabeled
    assert ("so it is trained as by method=supervised" in said) == lonely
