"""`s4former init` with annotation files as programs write them; `check` and `train` take what it wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from s4former.cli.main import main
from s4former.curation import open_source
from s4former.engine.pace import Pace
from s4former.recipes import load_data
from s4former.types import IGNORE

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 64, 80
SQUARE = [[8, 8, 40, 8, 40, 40, 8, 40]]
CORNERS = [[8, 8], [40, 8], [40, 40], [8, 40]]
TINY = [
    *("steps=2", "evaluate_every=2", "threads=1", "device=cpu", "data.crop_size=32", "data.short_side=null"),
    *("data.labeled_batch_size=2", "data.unlabeled_batch_size=2", "evaluate.short_side=null"),
    *("model.backbone=vit", "model.backbone.image_size=[32,32]", "model.backbone.patch_size=8"),
    *("model.backbone.embed_dim=16", "model.backbone.depth=2", "model.backbone.num_heads=2"),
    *("model.pretrained=none", "model.head.out_indices=null", "model.frozen_blocks=0"),
]

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run ``s4former`` in a folder, where no step is timed; the exit code and all that was printed."""
    monkeypatch.setattr("s4former.engine.timing.measure_pace", lambda *_: Pace(0.6, 0.3, 2.0))

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["s4former", *arguments])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, " ".join("".join(capsys.readouterr()).split())

    return run


def photos(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        noise = np.random.default_rng([*f"{folder.name}/{name}".encode()]).integers(
            0, 256, (HEIGHT, WIDTH, 3), np.uint8
        )
        Image.fromarray(noise).save(folder / name)


def coco(file: Path, images: list[tuple[Any, str]], objects: list[dict[str, Any]], **changes: Any) -> None:
    size = {"height": HEIGHT, "width": WIDTH}
    content = {
        "images": [{"id": id, "file_name": name, **size} for id, name in images],
        "annotations": [
            {"id": n, "category_id": 1, "bbox": [8, 8, 32, 32], **one} for n, one in enumerate(objects)
        ],
        "categories": [{"id": 1, "name": "square"}],
    }
    file.write_text(json.dumps(content | changes))


def masks(root: Path) -> list[np.ndarray]:
    return [np.array(Image.open(file)) for file in sorted((root / ".s4former/masks").rglob("*.png"))]


def drawn(value: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[8:40, 8:40] = value
    return mask


def test_objects_with_a_box_and_no_outline(say: Say, tmp_path: Path) -> None:
    photos(tmp_path / "photos", "0.jpg", "1.jpg", "2.jpg", "3.jpg")
    objects = [{"image_id": 1, "segmentation": SQUARE}, {"image_id": 2, "segmentation": []}]
    coco(tmp_path / "a.json", [(1, "0.jpg"), (2, "1.jpg")], objects)
    note = "objects with a box and no outline, unknown (255) where they may be: 1"
    code, said = say("init", "photos", "--masks", "a.json")
    assert code == 0, said
    assert note in said
    np.testing.assert_array_equal(masks(tmp_path), [drawn(1), drawn(IGNORE)])
    code, said = say("check", "dataset.yaml")
    assert code == 0, said
    assert note in said
    code, said = say("train", "dataset.yaml", "--out", "run", *TINY)
    assert code == 0, said


@pytest.mark.parametrize("objects", [[], [{"image_id": 1, "segmentation": SQUARE}]])
def test_two_images_of_one_id(say: Say, tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    photos(tmp_path / "photos", "0.jpg", "1.jpg")
    coco(tmp_path / "a.json", [(1, "0.jpg"), ("1", "1.jpg")], objects)
    code, said = say("init", "photos", "--masks", "a.json")
    assert code == 3, said
    assert "ids that stand for more than one: 1; 1 is '0.jpg' and '1.jpg'" in said
    assert not (tmp_path / "dataset.yaml").exists()


def test_rectangles_of_four_points(say: Say, tmp_path: Path) -> None:
    photos(tmp_path / "photos", "0.jpg", "1.jpg")
    for k in "01":
        shape = {
            "label": "square",
            "points": CORNERS,
            "shape_type": "rectangle",
            "group_id": None,
            "flags": None,
        }
        record = {"imagePath": f"{k}.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": [shape]}
        (tmp_path / f"photos/{k}.json").write_text(json.dumps(record))
    code, said = say("init", "photos")
    assert code == 0, said
    np.testing.assert_array_equal(masks(tmp_path), [drawn(1), drawn(1)])
    code, said = say("train", "dataset.yaml", "method=supervised", "--out", "run", *TINY)
    assert code == 0, said


def test_an_export_of_roboflow(say: Say, tmp_path: Path) -> None:
    """A folder for each part, with the images and one file in it; a category names the project."""
    categories = [
        {"id": 0, "name": "project", "supercategory": "none"},
        {"id": 1, "name": "square", "supercategory": "project"},
    ]
    for part, count in (("train", 3), ("valid", 2)):
        names = [(n, f"{n}_jpg.rf.{'0a' * 16}.jpg") for n in range(count)]
        photos(tmp_path / part, *(name for _, name in names))
        objects = [{"image_id": n, "segmentation": SQUARE} for n, _ in names]
        coco(tmp_path / part / "_annotations.coco.json", names, objects, categories=categories)
    code, said = say("init", ".")
    assert code == 1, said
    assert "init train --masks train/_annotations.coco.json --val valid" in said
    for masks_at in ([], ["--masks", "train/_annotations.coco.json"]):
        code, said = say("init", "train", "--val", "valid", *masks_at, "--force")
        assert code == 0, said
        assert "with 1 class " in f"{said} "
        code, said = say("check", "dataset.yaml")
        assert code == 0, said
    code, said = say("train", "dataset.yaml", "method=supervised", "--out", "run", *TINY)
    assert code == 0, said
    assert "square" in said


def labelme(file: Path, *labels: str) -> None:
    shapes = [{"label": label, "points": CORNERS, "shape_type": "polygon"} for label in labels]
    record = {"imagePath": f"{file.stem}.png", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": shapes}
    file.write_text(json.dumps(record))


def mask(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(drawn(1) + np.eye(HEIGHT, WIDTH, dtype=np.uint8)).save(file)


def opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[str, ...], tuple[str, ...], set[int]]:
    """Return the labeled and unlabeled images of what was written, and the classes that pixels have."""
    monkeypatch.chdir(root)
    source = open_source(load_data("dataset.yaml", []))
    found = {int(value) for id in source.labeled for value in np.unique(source.read_mask(id, "labeled"))}
    return tuple(source.labeled), tuple(source.unlabeled), found


@pytest.mark.parametrize("masks_at", [[], ["--masks", "photos"]])
def test_masks_beside_annotations_are_named_and_no_images(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, masks_at: list[str]
) -> None:
    photos(tmp_path / "photos", "0.png", "1.png", "2.png")
    for stem in "01":
        labelme(tmp_path / f"photos/{stem}.json", "square")
        mask(tmp_path / f"photos/{stem}_mask.png")
    code, said = say("init", "photos", *masks_at)
    assert code == 0, said
    assert "labelme annotations are taken, and 2 files among the images, as 0_mask.png, are not" in said
    assert "to take these masks, --masks photos --mask-suffix _mask" in said
    assert opened(tmp_path, monkeypatch) == (("photos/0", "photos/1"), ("photos/2",), {0, 1})
    code, said = say("init", "photos", "--masks", "photos", "--mask-suffix", "_mask", "--force")
    assert code == 0, said
    assert opened(tmp_path, monkeypatch) == (("photos/0", "photos/1"), ("photos/2",), {0, 1, 2})


def test_masks_in_a_folder_of_annotations_are_named(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(tmp_path / "photos", "0.png", "1.png", "2.png")
    mask(tmp_path / "masks/0.png")
    mask(tmp_path / "masks/1.png")
    coco(tmp_path / "masks/a.json", [(1, "0.png")], [{"image_id": 1, "segmentation": SQUARE}])
    code, said = say("init", "photos", "--masks", "masks")
    assert code == 0, said
    assert "masks holds coco annotations, which are taken, and 2 masks, as 0.png, which are not" in said
    assert "--mask-suffix .png" in said
    code, said = say("init", "photos", "--masks", "masks", "--mask-suffix", ".png", "--force")
    assert code == 0, said
    assert opened(tmp_path, monkeypatch) == (("photos/0", "photos/1"), ("photos/2",), {0, 1, 2})


def test_annotations_without_a_class_do_not_hide_masks(say: Say, tmp_path: Path) -> None:
    photos(tmp_path / "photos", "0.png", "1.png", "2.png")
    mask(tmp_path / "masks/0.png")
    labelme(tmp_path / "masks/x.json")
    code, said = say("init", "photos", "--masks", "masks")
    assert code == 0, said
    assert "the labelme files in masks name no class, so the masks are taken" in said
    assert "1 of 3 images have a mask" in said


@pytest.mark.parametrize("background", ["Background", "BACKGROUND", "background"])
def test_a_drawn_background_is_the_background(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background: str
) -> None:
    photos(tmp_path / "photos", "0.png", "1.png")
    labelme(tmp_path / "photos/0.json", background)
    labelme(tmp_path / "photos/1.json", "square")
    code, said = say("init", "photos")
    assert code == 0, said
    assert f"pixels in no shape are taken for {background}, the first class" in said
    assert yaml.safe_load((tmp_path / "dataset.yaml").read_text())["names"] == [background, "square"]
    assert opened(tmp_path, monkeypatch)[2] == {0, 1}
    np.testing.assert_array_equal(masks(tmp_path), [drawn(0), drawn(1)])


def test_datumaro_is_told(say: Say, tmp_path: Path) -> None:
    photos(tmp_path / "photos", "0.jpg")
    (tmp_path / "default.json").write_text(json.dumps({"info": {}, "categories": {}, "items": []}))
    code, said = say("init", "photos", "--masks", "default.json")
    assert code == 3, said
    assert "Datumaro's own format" in said
    assert "COCO" in said
