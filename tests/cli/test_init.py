"""`s4former init`: what it finds, what it writes, and that this trains as it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import s4former
from s4former.cli.main import main
from s4former.data.dataset_yaml import read_dataset_file
from s4former.inference import Model
from s4former.recipes import load_run

pytestmark = pytest.mark.slow

SIZE = (40, 48)
TINY = {
    "steps": 2,
    "evaluate_every": 0,
    "threads": 1,
    "device": "cpu",
    "data.crop_size": 32,
    "data.short_side": None,
    "data.labeled_batch_size": 2,
    "data.unlabeled_batch_size": 2,
    "evaluate.short_side": None,
    "model": {
        "backbone": {
            "name": "vit",
            "image_size": [32, 32],
            "patch_size": 8,
            "embed_dim": 16,
            "depth": 2,
            "num_heads": 2,
        },
        "pretrained": "none",
        "head": "linear",
        "frozen_blocks": 0,
    },
}


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run ``s4former init`` in a folder; the exit code and all that was printed."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["s4former", "init", *arguments])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, "".join(capsys.readouterr())

    return run


def labels(number: int) -> np.ndarray:
    """Zeros with a square of ones and, in every second mask, one of twos."""
    mask = np.zeros(SIZE, np.uint8)
    mask[5 : 20 + number % 5, 5:25] = 1
    mask[25:35, 30:45] = 2 * (number % 2)
    return mask


def make(root: Path, count: int, masks: int, paint, folder: str = "masks", suffix: str = "") -> None:
    """Write images, and masks for the first of them as ``paint`` makes them of labels."""
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 50, (*SIZE, 3))
        (root / "images").mkdir(parents=True, exist_ok=True)
        pixels = (labels(number)[..., None] * 90 + noise).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"images/p{number:02}.png")
    for number in range(masks):
        (root / folder).mkdir(parents=True, exist_ok=True)
        paint(labels(number)).save(root / f"{folder}/p{number:02}{suffix}.png")


def index(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(mask)


def binary(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(((mask > 0) * 255).astype(np.uint8))


def one_bit(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(mask > 0)


def rgb(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)[mask])


def gray_rgb(mask: np.ndarray) -> Image.Image:
    return binary(mask).convert("RGB")


def palette(mask: np.ndarray) -> Image.Image:
    picture = Image.fromarray(mask, mode="P")
    picture.putpalette([10, 20, 30, 200, 0, 0, 0, 0, 200])
    return picture


def deep(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint16) * 1000)


@pytest.mark.parametrize(
    ("paint", "meanings", "words"),
    [
        (index, {0: 0, 1: 1, 2: 2}, "3 x 8-bit"),
        (binary, {0: 0, 255: 1}, "masks hold only 0 and 255: 0 is taken for background and 255 for"),
        (one_bit, {0: 0, 1: 1}, "3 x 1-bit"),
        (rgb, {(0, 0, 0): 0, (0, 0, 255): 1, (255, 0, 0): 2}, "3 colors, a class each"),
        (gray_rgb, {0: 0, 255: 1}, "3 x gray saved as color"),
        (palette, {0: 0, 1: 1, 2: 2}, "3 x palette"),
        (deep, {0: 0, 1000: 1, 2000: 2}, "3 x 16-bit"),
    ],
)
def test_each_kind_of_masks_is_told_and_trains(init, tmp_path: Path, paint, meanings, words: str) -> None:
    make(tmp_path, 5, 3, paint)
    code, said = init("images", "--masks", "masks", "--val", "0.3")
    assert code == 0, said
    assert words in said
    assert "3 of 5 images have a mask" in said
    assert "s4former train dataset.yaml" in said
    file = read_dataset_file(tmp_path / "dataset.yaml")
    assert {value: at for value, at in file.classes.meanings.items() if at != 255} == meanings
    assert len((tmp_path / "dataset_val.txt").read_text().split()) == 1
    s4former.train(*_tiny(tmp_path), out=tmp_path / "run", progress=False)
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["run"]["method"]["name"] == "s4former"
    assert (tmp_path / "run/scores.jsonl").is_file()
    prediction = Model.load(tmp_path / "run").predict(tmp_path / "images/p04.png")
    assert prediction.mask.shape == SIZE
    assert prediction.names == file.class_names


def _tiny(root: Path):
    return root / "dataset.yaml", {**TINY, "method.shuffle_block": 2}


def test_colors_of_a_palette_are_kept(init, tmp_path: Path) -> None:
    make(tmp_path, 2, 2, palette)
    init("images", "--masks", "masks")
    colors = read_dataset_file(tmp_path / "dataset.yaml").classes.colors
    assert colors == ((10, 20, 30), (200, 0, 0), (0, 0, 200))


def test_names_suggest_the_rule(init, tmp_path: Path) -> None:
    make(tmp_path, 4, 2, index, suffix="_seg")
    _, said = init("images", "--masks", "masks")
    assert "mask_suffix: _seg" in said
    file = read_dataset_file(tmp_path / "dataset.yaml")
    assert file.labeled.mask_suffix == "_seg"
    assert load_run(tmp_path / "dataset.yaml")[1][0].startswith("data: 2 labeled, 2 unlabeled, 0 val")


def test_masks_among_the_images_are_found(init, tmp_path: Path) -> None:
    make(tmp_path, 4, 2, index, folder="images", suffix="_mask")
    code, said = init("images")
    assert code == 0, said
    assert load_run(tmp_path / "dataset.yaml")[1][0].startswith("data: 2 labeled, 2 unlabeled")


def test_annotations(init, tmp_path: Path) -> None:
    make(tmp_path, 4, 0, index)
    for number in range(2):
        shape = {"label": "cell", "shape_type": "rectangle", "points": [[5, 5], [25, 20]]}
        content = {"shapes": [shape], "imagePath": f"p{number:02}.png", "imageHeight": 40, "imageWidth": 48}
        (tmp_path / f"images/p{number:02}.json").write_text(json.dumps({"version": "5.0", **content}))
    code, said = init("images", "--val", "0.5")
    assert code == 0, said
    assert "labelme" in said
    assert "2 of 4 images are annotated" in said
    assert read_dataset_file(tmp_path / "dataset.yaml").class_names == ("background", "cell")
    outcome = s4former.train(*_tiny(tmp_path), out=tmp_path / "run", progress=False)
    assert set(next(iter(outcome.last.values()))["iou"]) == {"background", "cell"}


def test_labels_that_differ_in_case_only_are_told(init, tmp_path: Path) -> None:
    make(tmp_path, 2, 0, index)
    for number, label in enumerate(("cell", "Cell ")):
        shape = {"label": label, "shape_type": "rectangle", "points": [[5, 5], [25, 20]]}
        content = {"shapes": [shape], "imagePath": f"p{number:02}.png", "imageHeight": 40, "imageWidth": 48}
        (tmp_path / f"images/p{number:02}.json").write_text(json.dumps({"version": "5.0", **content}))
    code, said = init("images")
    assert code == 0, said
    assert "Cell, cell are taken for different classes" in said


def test_an_archive_is_to_be_unpacked(init, tmp_path: Path) -> None:
    make(tmp_path, 2, 0, index)
    (tmp_path / "annotations.zip").write_bytes(b"PK")
    code, said = init("images", "--masks", "annotations.zip")
    assert (code, "unpack it" in said) == (1, True), said


def test_one_image_with_a_mask_and_no_others_is_supervised(init, tmp_path: Path) -> None:
    make(tmp_path, 1, 1, binary)
    _, said = init("images", "--masks", "masks")
    assert "no validation images" in said
    config, changes = _tiny(tmp_path)
    del changes["method.shuffle_block"]
    run, notes = load_run(config, changes)
    assert run.method.name == "supervised"
    assert any("method=supervised: there is no unlabeled image" in note for note in notes)
    assert any("no val: nothing will tell" in note for note in notes)
    s4former.train(run, out=tmp_path / "run", progress=False)
    assert (tmp_path / "run/model/model.json").is_file()


def test_a_folder_to_validate_on(init, tmp_path: Path) -> None:
    make(tmp_path, 3, 3, index)
    make(tmp_path / "val", 2, 2, index)
    code, said = init("images", "--masks", "masks", "--val", "val")
    assert code == 0, said
    assert not (tmp_path / "dataset_val.txt").exists()
    assert load_run(tmp_path / "dataset.yaml")[1][0].startswith("data: 3 labeled, 0 unlabeled, 2 val")


def test_a_folder_of_images_to_validate_on_whose_masks_lie_beside_the_others(init, tmp_path: Path) -> None:
    for part, count in (("train", 3), ("val", 2)):
        make(tmp_path / part, count, count, index)
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / part / kind).rename(tmp_path / kind / part)
    code, said = init("images/train", "--masks", "masks/train", "--val", "images/val")
    assert code == 0, said
    assert load_run(tmp_path / "dataset.yaml")[1][0].startswith("data: 3 labeled, 0 unlabeled, 2 val")


def test_all_bad_masks_are_told_at_once(init, tmp_path: Path) -> None:
    make(tmp_path, 4, 4, index)
    for number in (1, 3):
        (tmp_path / f"masks/p{number:02}.png").write_bytes(b"")
    code, said = init("images", "--masks", "masks")
    assert code == 3
    assert "2 of 4 masks cannot be used (p01.png, p03.png); the first: cannot read the mask" in said


def test_masks_among_the_images_that_differ_in_their_ending_are_suggested(init, tmp_path: Path) -> None:
    make(tmp_path, 4, 2, index, folder="images", suffix="_")
    for number in range(2):
        (tmp_path / f"images/p{number:02}_.png").rename(tmp_path / f"images/p{number:02}.bmp")
    code, said = init("images")
    assert (code, "for example --masks images." in said) == (1, True), said
    assert init("images", "--masks", "images")[0] == 0


def test_16_bit_images_get_a_range(init, tmp_path: Path) -> None:
    make(tmp_path, 3, 3, index)
    for number in range(3):
        values = np.random.default_rng(number).integers(100, 4000, SIZE).astype(np.uint16)
        Image.fromarray(values).save(tmp_path / f"images/p{number:02}.png")
    code, said = init("images", "--masks", "masks")
    assert code == 0, said
    assert "more than 8 bits" in said
    run, _ = load_run(tmp_path / "dataset.yaml")
    assert run.data.value_range is not None
    assert 100 <= run.data.value_range[0] < run.data.value_range[1] <= 4000
    assert s4former.data.open_source(run.data).read_image("images/p00", "labeled").std() > 50


def test_8_and_16_bits_and_turned_images_are_told(init, tmp_path: Path) -> None:
    make(tmp_path, 3, 2, index)
    levels = np.random.default_rng(0).integers(100, 9000, SIZE, np.uint16)
    Image.fromarray(levels).save(tmp_path / "images/deep.png")
    exif = Image.Exif()
    exif[0x112] = 3
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "images/turned.jpg", exif=exif)
    code, said = init("images", "--masks", "masks")
    said = " ".join(said.split())
    assert code == 0, said
    assert "images that were looked at have 8 bits: they stay as they are" in said
    assert "1 of " in said
    assert (
        "are turned by an EXIF tag: masks and annotations are taken to be drawn on what viewers show" in said
    )


def test_the_choice_of_val_stays_when_images_are_added(init, tmp_path: Path) -> None:
    make(tmp_path, 12, 12, index)
    init("images", "--masks", "masks")
    held_out = (tmp_path / "dataset_val.txt").read_text().split()
    assert len(held_out) == 3
    make(tmp_path, 14, 14, index)
    run, notes = load_run(tmp_path / "dataset.yaml")
    assert notes[0].startswith("data: 11 labeled, 0 unlabeled, 3 val")
    assert list(s4former.data.open_source(run.data).val) == held_out


def test_nothing_is_replaced_without_force(init, tmp_path: Path) -> None:
    make(tmp_path, 2, 2, index)
    (tmp_path / "dataset.yaml").write_text("mine")
    for force in ([], ["--force"]):
        code, said = init("images", "--masks", "masks", *force)
        assert code == 1
        assert (
            "dataset.yaml is there already, and is no description of a data set that s4former wrote" in said
        )
    assert (tmp_path / "dataset.yaml").read_text() == "mine"
    (tmp_path / "dataset.yaml").unlink()
    assert init("images", "--masks", "masks")[0] == 0
    (tmp_path / "dataset.yaml").write_text("edited")
    code, said = init("images", "--masks", "masks")
    assert (code, "dataset.yaml exists; --force replaces it" in said) == (1, True)
    assert (tmp_path / "dataset.yaml").read_text() == "edited"
    assert init("images", "--masks", "masks", "--force")[0] == 0


def soft(mask: np.ndarray) -> Image.Image:
    return binary(mask).resize((96, 80), Image.Resampling.BICUBIC).resize((48, 40), Image.Resampling.BICUBIC)


def soft_rgb(mask: np.ndarray) -> Image.Image:
    return rgb(mask).resize((480, 400), Image.Resampling.NEAREST).rotate(20, Image.Resampling.BICUBIC)


def instances(mask: np.ndarray) -> Image.Image:
    return Image.fromarray(np.arange(mask.size, dtype=np.uint16).reshape(mask.shape))


def test_masks_saved_as_arrays(init, tmp_path: Path) -> None:
    make(tmp_path, 3, 0, index)
    (tmp_path / "masks").mkdir()
    for number in range(2):
        np.save(tmp_path / f"masks/p{number:02}.npy", labels(number) > 0)
    code, said = init("images", "--masks", "masks")
    assert code == 0, said
    assert read_dataset_file(tmp_path / "dataset.yaml").class_names == ("background", "foreground")
    run, _ = load_run(tmp_path / "dataset.yaml")
    mask = s4former.data.open_source(run.data).read_mask("images/p00", "labeled")
    assert np.array_equal(mask, labels(0) > 0)


@pytest.mark.parametrize(
    ("paint", "arguments", "code", "words"),
    [
        (index, ["images"], 1, "no masks that are told by their names; say where the masks are, for example"),
        (index, ["pictures", "--masks", "masks"], 1, "there is no folder of images pictures"),
        (index, ["images", "--masks", "nowhere"], 1, "there is no folder or file of masks nowhere"),
        (index, ["images", "--masks", "masks", "--val", "1.5"], 1, "expected a share from 0 to below 1"),
        (
            index,
            ["images", "--masks", "masks", "--val", "images"],
            1,
            "a folder with images and masks of its",
        ),
        (index, ["images", "--masks", "masks", "--val", "held/out"], 1, "or held/out and out"),
        (soft, ["images", "--masks", "masks"], 3, "they have soft edges"),
        (soft_rgb, ["images", "--masks", "masks"], 3, "hold a few colors and many mixtures"),
        (instances, ["images", "--masks", "masks"], 3, "more than 255 different values"),
    ],
)
def test_what_does_not_work_is_told(init, tmp_path: Path, paint, arguments, code: int, words: str) -> None:
    make(tmp_path, 3, 2, paint)
    result, said = init(*arguments)
    assert words in " ".join(said.split())
    assert result == code
    assert not (tmp_path / "dataset.yaml").exists()


def test_what_is_written_says_what_was_found(init, tmp_path: Path) -> None:
    make(tmp_path, 2, 2, binary, suffix="_mask")
    init("images", "--masks", "masks", "--val", "0.5")
    text = (tmp_path / "dataset.yaml").read_text()
    assert text.count("#") >= 6
    assert yaml.safe_load(text) == {
        "format": "s4former-dataset/1",
        "names": [
            {"name": "background", "values": [0]},
            {"name": "foreground", "values": [255], "color": [255, 0, 0]},
        ],
        "ignore": [],
        "labeled": {"images": "images", "masks": "masks", "mask_suffix": "_mask"},
        "unlabeled": {"images": "images"},
        "val": {"list": "dataset_val.txt"},
    }


def test_images_of_five_channels_are_measured(init, tmp_path: Path) -> None:
    make(tmp_path, 3, 2, index)
    for number in range(3):
        (tmp_path / f"images/p{number:02}.png").unlink()
        values = np.random.default_rng(number).integers(0, 200, (*SIZE, 5)).astype(np.uint8)
        np.save(tmp_path / f"images/p{number:02}.npy", values)
    code, said = init("images", "--masks", "masks")
    assert code == 0, said
    assert "images have 5 channels" in said
    file = read_dataset_file(tmp_path / "dataset.yaml")
    assert (file.channels, file.display) == (5, (0, 1, 2))
    assert file.mean == pytest.approx((100 / 255,) * 5, abs=0.02)
    s4former.train(*_tiny(tmp_path), out=tmp_path / "run", progress=False)
    assert Model.load(tmp_path / "run").predict(tmp_path / "images/p02.npy").mask.shape == SIZE


def test_broken_images_do_not_stop_it(init, tmp_path: Path) -> None:
    make(tmp_path, 4, 2, index)
    (tmp_path / "images/p03.png").write_bytes(b"no image")
    code, said = init("images", "--masks", "masks")
    assert code == 0, said
    assert "1 of 4 images that were looked at are broken" in said
    assert "p03.png" in said


def test_values_are_those_of_the_sample_if_there_are_many(
    init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s4former.curation.init.mask_survey._SAMPLE", 2)
    make(tmp_path, 4, 4, index)
    _, said = init("images", "--masks", "masks")
    assert "looked at 2 of 4 masks; others may hold more values" in said


def test_coco(init, tmp_path: Path) -> None:
    make(tmp_path, 4, 0, index)
    content = {
        "images": [
            {"id": n, "file_name": f"p{n:02}.png", "height": SIZE[0], "width": SIZE[1]} for n in range(2)
        ],
        "categories": [{"id": 7, "name": "cell"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 7, "segmentation": [[5, 5, 25, 5, 25, 20, 5, 20]]}
            for n in range(2)
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    code, said = init("images", "--masks", "coco.json", "--val", "0.5")
    assert code == 0, said
    assert "annotations: coco, with 1 class\n" in said
    s4former.train(*_tiny(tmp_path), out=tmp_path / "run", progress=False)
    prediction = Model.load(tmp_path / "run").predict(tmp_path / "images/p03.png")
    assert prediction.names == ("background", "cell")
    assert prediction.mask.shape == SIZE


def test_names_beside_the_masks_are_those_of_the_classes(init, tmp_path: Path) -> None:
    make(tmp_path, 4, 2, index)
    code, said = init("images", "--masks", "masks")
    assert code == 0
    assert "into masks/classes.txt, and type the same with --force" in " ".join(said.split())
    (tmp_path / "masks/classes.txt").write_text("soil\nweed\ncrop\n")
    code, said = init("images", "--masks", "masks", "--force")
    assert code == 0
    assert "the 3 classes have the names of classes.txt" in " ".join(said.split())
    found = read_dataset_file(tmp_path / "dataset.yaml")
    assert found.class_names == ("soil", "weed", "crop")
