"""What `init` types for layouts that it does not guess, and data sets that hold out other images each."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import CommandLine
from s4former.curation import open_source
from s4former.data import DataConfig

SIZE = (64, 80)


def picture(path: str, seed: int = 0) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def mask(path: str, value: int = 255) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    labels = np.zeros(SIZE, np.uint8)
    labels[8:40, 8:40] = value
    Image.fromarray(labels).save(path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys, columns=1000)


def opened(file: str = "dataset.yaml"):
    return open_source(DataConfig(source="dataset", root=".", dataset=file))


def typed(message: str) -> list[str]:
    """Return the arguments of the last ``s4former`` command that a message says to type."""
    return shlex.split(message.rpartition("s4former ")[2])


@pytest.mark.parametrize(
    ("pattern", "only"),
    [
        ("masks/{image}_{label}.png", "--mask-suffix _hair"),
        ("masks/{label}_{image}.png", "--mask-prefix hair_"),
        ("masks/{label}/{image}.png", "--masks masks/hair"),
    ],
)
def test_several_masks_of_an_image_are_named(run: CommandLine, pattern: str, only: str) -> None:
    for image in ("0", "1"):
        picture(f"photos/{image}.jpg")
        for label in ("hair", "skin"):
            mask(pattern.format(image=image, label=label))
    assert run("init", "photos", "--masks", "masks") == 3
    assert "2 of 2 images have several masks" in run.err
    assert pattern.format(image="0", label="hair").removeprefix("masks/") in run.err
    assert pattern.format(image="0", label="skin").removeprefix("masks/") in run.err
    assert only in run.err
    place = () if only.startswith("--masks") else ("--masks", "masks")
    assert run("init", "photos", *place, *only.split(), "--out", "one.yaml") == 0
    assert opened("one.yaml").labeled == ("photos/0", "photos/1")
    if not pattern.startswith("masks/{label}_"):
        assert run("init", "photos", "--masks", "masks", "--annotations-format", "mask_files") == 0
        assert opened().classes.names == ("background", "hair", "skin")


def test_masks_called_after_the_whole_name_of_their_image(run: CommandLine) -> None:
    picture("photos/0.jpg")
    mask("masks/0.jpg.png", 1)
    assert run("init", "photos", "--masks", "masks") == 0
    assert opened().mask_file("photos/0", "labeled") == Path("masks/0.jpg.png")


def test_two_masks_that_fit_one_image_are_no_choice(run: CommandLine) -> None:
    picture("photos/0.jpg")
    for name in ("0.png", "0.jpg.png"):
        mask(f"masks/{name}", 1)
    assert run("init", "photos", "--masks", "masks") == 3
    assert "0.png" in run.err
    assert "0.jpg.png" in run.err


@pytest.mark.parametrize(
    ("images", "masks", "affixes"),
    [
        ("photos/{:02}.jpg", "masks/{}.png", ()),
        ("photos/{}.jpg", "masks/{:03}.png", ()),
        ("photos/frame{}.jpg", "masks/mask{:02}.png", ()),
        ("photos/frame{}.jpg", "masks/mask{:02}.png", ("--image-prefix", "frame", "--mask-prefix", "mask")),
    ],
)
def test_numbers_with_other_zeros(
    run: CommandLine, images: str, masks: str, affixes: tuple[str, ...]
) -> None:
    for number in range(1, 13):
        picture(images.format(number), number)
        if number < 11:
            mask(masks.format(number), 1)
    assert run("init", "photos", "--masks", "masks", "--val", "0.1", *affixes) == 0
    assert "masks belong to their images by number" in run.out
    source = opened()
    assert (len(source.labeled), len(source.unlabeled), len(source.val)) == (9, 2, 1)
    for id in source.labeled:
        number = int(id.rpartition("/")[2].removeprefix("frame"))
        assert source.mask_file(id, "labeled") == Path(masks.format(number))


def test_a_number_that_two_images_or_masks_have_is_no_pair(run: CommandLine) -> None:
    for name in ("1", "01", "2", "3"):
        picture(f"photos/{name}.jpg")
    for name in ("001", "02", "002", "3"):
        mask(f"masks/{name}.png", 1)
    assert run("init", "photos", "--masks", "masks") == 0
    assert "3 masks belong to no image: masks/001.png, masks/002.png, masks/02.png" in run.out
    assert opened().labeled == ("photos/3",)


@pytest.mark.parametrize(
    ("images", "masks"), [("{}", "2{}"), ("2024-01-0{}", "2023-01-0{}"), ("cam1_{:04}", "cam2_{:04}")]
)
def test_masks_of_other_files_are_not_taken_for_these(run: CommandLine, images: str, masks: str) -> None:
    for number in range(1, 10):
        picture(f"photos/{images.format(number)}.jpg")
        mask(f"masks/{masks.format(number)}.png", 1)
    assert run("init", "photos", "--masks", "masks") == 3
    assert "none of 9 masks in masks belongs to one of 9 images" in run.err


def test_masks_without_an_image_are_named(run: CommandLine) -> None:
    for number in range(3):
        picture(f"photos/{number}.jpg")
        mask(f"masks/{number + 1}.png", 1)
    assert run("init", "photos", "--masks", "masks") == 0
    assert "1 masks belong to no image: masks/3.png" in run.out


def test_masks_beside_another_band_of_each_image(run: CommandLine) -> None:
    for number in range(6):
        picture(f"d/x{number}.png", number)
        picture(f"d/x{number}_nir.png", number + 10)
    for number in range(4):
        mask(f"d/x{number}_label.png", 1)
    for given in (("d",), ("d", "--masks", "d", "--force")):
        assert run("init", *given) == 0
        assert "mask_suffix: _label" in run.out
        assert opened().labeled == tuple(f"d/x{number}" for number in range(4))


@pytest.mark.parametrize(
    ("image", "mask_name", "given", "others", "taken", "said"),
    [
        ("p{}_rgb", "p{}", (), ("IMG_{}",), 9, "are learned from as unlabeled images"),
        ("frame_{}", "mask_{}", (), ("IMG_9{}",), 9, "are learned from as unlabeled images"),
        ("p{}_a", "p{}", (), ("p{}_depth", "IMG_9{}"), 0, "p0_depth seems to be one of them in another"),
        (
            "p{}_rgb",
            "p{}",
            ("--image-suffix", "_rgb"),
            ("IMG_{}",),
            0,
            "take the affixes below unlabeled: out",
        ),
    ],
)
def test_photographs_that_are_not_called_as_the_labeled_ones(
    run: CommandLine,
    image: str,
    mask_name: str,
    given: tuple[str, ...],
    others: tuple[str, ...],
    taken: int,
    said: str,
) -> None:
    for number in range(3):
        picture(f"photos/{image.format(number)}.jpg", number)
        mask(f"masks/{mask_name.format(number)}.png", 1)
    for kind in others:
        for number in range(3 if kind.startswith("p") else 9):
            picture(f"photos/{kind.format(number)}.jpg", number + 10)
    assert run("init", "photos", "--masks", "masks", *given) == 0
    assert said in run.out
    source = opened()
    assert (len(source.labeled), len(source.unlabeled)) == (3, taken)
    assert f"3 of {3 + taken} images have a mask" in run.out


def test_masks_of_two_kinds_of_images_are_a_question(run: CommandLine) -> None:
    for number in range(3):
        for kind in ("frame", "depth"):
            picture(f"photos/{kind}{number}.jpg", number)
        mask(f"masks/mask{number}.png", 1)
        mask(f"kinds/{number}_labels.png", 1)
    assert run("init", "photos", "--masks", "masks") == 3
    assert "--image-prefix depth --mask-prefix mask, or --image-prefix frame --mask-prefix mask" in run.err
    picture("photos/video.jpg", 9)
    for file in Path("photos").glob("depth*"):
        file.unlink()
    assert run("init", "photos", "--masks", "masks") == 0
    assert "image_prefix: frame, mask_prefix: mask" in run.out
    assert opened().unlabeled == ("photos/video",)


def test_several_kinds_of_masks_are_a_question(run: CommandLine) -> None:
    for number in range(3):
        picture(f"left/{number}_leftImg.png", number)
        for kind in ("color", "labelIds"):
            mask(f"fine/{number}_fine_{kind}.png", 1)
    assert run("init", "left", "--masks", "fine") == 3
    suggested = run.err.partition("their names suggest: ")[2].partition(", or ")[2].split()
    assert suggested == ["--image-suffix", "_leftImg", "--mask-suffix", "_fine_labelIds"]
    assert run("init", "left", "--masks", "fine", *suggested) == 0
    assert len(opened().labeled) == 3


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_masks_among_images_that_are_annotated(run: CommandLine, ending: str) -> None:
    for number in range(3):
        picture(f"photos/{number}.jpg", number)
        if number < 2:
            mask(f"photos/{number}_mask.{ending}", 1)
    image = {"id": 0, "file_name": "0.jpg", "height": SIZE[0], "width": SIZE[1]}
    shape = {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [[8, 8, 40, 8, 40, 40]]}
    content = {"images": [image], "annotations": [shape], "categories": [{"id": 1, "name": "square"}]}
    Path("coco.json").write_text(json.dumps(content))
    assert run("init", "photos", "--masks", "coco.json") == 0
    assert f"2 files among the images, as 0_mask.{ending}, are not: they are called masks" in run.out
    source = opened()
    assert (source.labeled, source.unlabeled) == (("photos/0",), ("photos/1", "photos/2"))
    mask("masks/0.png", 1)
    assert run("init", "photos", "--masks", "masks", "--force") == 0
    assert "they are taken for images; if they are none, move them" in run.out


def test_what_is_advised_can_be_typed(run: CommandLine) -> None:
    for number in range(3):
        picture(f"all/{number}.jpg")
        mask(f"all/{number}.png", 1)
    assert run("init", "all", "--masks", "all", "--image-suffix", ".jpg", "--mask-suffix", ".png") == 0
    assert opened().labeled == ("all/0", "all/1", "all/2")


def test_roboflow(run: CommandLine) -> None:
    outline = [[8, 8, 40, 8, 40, 40, 8, 40]]
    for part in ("train", "valid"):
        picture(f"export/{part}/0.jpg")
        image = {"id": 0, "file_name": "0.jpg", "height": SIZE[0], "width": SIZE[1]}
        thing = {
            "id": 1,
            "image_id": 0,
            "category_id": 1,
            "segmentation": outline,
            "iscrowd": 0,
            "area": 1024,
        }
        content = {"images": [image], "annotations": [thing], "categories": [{"id": 1, "name": "square"}]}
        Path(f"export/{part}/_annotations.coco.json").write_text(json.dumps(content))
    assert run("init", "export") == 1
    assert run(*typed(run.err)) == 0
    assert (opened().labeled, opened().val) == (("export/train/0",), ("export/valid/0",))


def test_masks_of_roboflow(run: CommandLine) -> None:
    for part in ("train", "valid"):
        for number in range(2):
            picture(f"export/{part}/{part}{number}.jpg", number)
            mask(f"export/{part}/{part}{number}_mask.png", 1)
        Path(f"export/{part}/_classes.csv").write_text("Pixel Value, Class\n0, background\n1, car\n")
    assert run("init", "export") == 1
    assert run(*typed(run.err)) == 0
    source = opened()
    assert source.labeled == ("export/train/train0", "export/train/train1")
    assert source.val == ("export/valid/valid0", "export/valid/valid1")
    assert source.mask_file("export/valid/valid0", "val") == Path("export/valid/valid0_mask.png")
    for part in ("train", "valid"):
        Path(f"export/{part}/_classes.csv").unlink()
    assert run("init", "export", "--force") == 0
    assert "export holds train and valid: all of them are learned from" in run.out


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("sites/{site}/images/{number}.jpg", "sites/{site}/masks/{number}.png"),
        ("sites/{site}/IMG/{number}.jpg", "sites/{site}/GT/{number}.png"),
    ],
)
def test_a_folder_for_each_site(run: CommandLine, images: str, masks: str) -> None:
    for seed, site in enumerate(("a", "b b", "c")):
        for number in range(2):
            picture(images.format(site=site, number=number), 2 * seed + number)
            if site != "c":
                mask(masks.format(site=site, number=number), 1)
    assert run("init", "sites") == 1
    command = typed(run.err.removesuffix(". Training needs at least one image with a mask\n"))
    assert run(*command) == 0
    source = opened()
    labeled = [images.format(site=s, number=n).removesuffix(".jpg") for s in ("a", "b b") for n in range(2)]
    assert list(source.labeled) == labeled
    assert source.mask_file(labeled[2], "labeled") == Path(masks.format(site="b b", number=0))
    assert [images.format(site="c", number=number) for number in range(2)] == [
        f"{id}.jpg" for id in source.unlabeled
    ]
    single = [*command[:4], "--masks", masks.format(site="a", number=0).rpartition("/")[0]]
    assert run(*single, "--force") == 3
    assert "--masks ONE --masks OTHER" in run.err


@pytest.mark.parametrize(
    ("images", "masks", "given"),
    [
        ("data/img_dir/train", "data/ann_dir/train", ("data",)),
        ("VOC/JPEGImages", "VOC/SegmentationClass", ("VOC",)),
        ("VOC/JPEGImages", "VOC/SegmentationClass", ("VOC", "--masks", "VOC/Annotations")),
    ],
)
def test_layouts_of_data_sets(run: CommandLine, images: str, masks: str, given: tuple[str, ...]) -> None:
    for number in range(2):
        picture(f"{images}/{number}.jpg", number)
        mask(f"{masks}/{number}.png", 1)
        if "VOC" in images:
            mask(f"VOC/SegmentationObject/{number}.png", 1)
            Path("VOC/Annotations").mkdir(exist_ok=True)
            Path(f"VOC/Annotations/{number}.xml").write_text("<annotation></annotation>")
    assert run("init", *given) == 1
    assert run(*typed(run.err.removesuffix(". Training needs at least one image with a mask\n"))) == 0
    assert opened().labeled == (f"{images}/0", f"{images}/1")


def test_masks_in_a_subfolder_are_named(run: CommandLine) -> None:
    picture("images/0.jpg")
    mask("annotations/trimaps/0.png", 1)
    assert run("init", "images", "--masks", "annotations") == 3
    assert ", or write --masks annotations/trimaps" in run.err
    mask("images/d/0_mask.png", 1)
    assert run("init", "images", "--masks", "images/d/0_mask.png") == 1
    assert "is one mask; give its folder: --masks images/d" in run.err


def test_files_that_are_no_images(run: CommandLine) -> None:
    for name in ("0", "1"):
        picture(f"photos/{name}.jpg")
        Path(f"photos/{name}.HEIC").write_bytes(b"x")
        picture(f"photos/@eaDir/{name}.jpg/SYNOPHOTO_THUMB_M.jpg")
    mask("masks/0.png", 1)
    assert run("init", "photos", "--masks", "masks") == 0
    assert "2 files that end in .HEIC: not read" in run.out
    assert opened().unlabeled == ("photos/1",)


def test_a_folder_for_each_image(run: CommandLine) -> None:
    for image in ("ab", "cd"):
        picture(f"stage/{image}/images/{image}.png")
        for number in range(2):
            mask(f"stage/{image}/masks/{image}x{number}.png")
    assert run("init", "stage") == 1
    for image in ("ab", "cd"):  # what `mkdir images && cp stage/*/images/* images/` does
        picture(f"images/{image}.png")
    assert run(*typed(run.err)) == 0
    assert opened().labeled == ("images/ab", "images/cd")
    assert opened().read_mask("images/ab", "labeled").sum() == 32 * 32


def test_folds_hold_out_other_images_each(run: CommandLine) -> None:
    for number in range(7):
        picture(f"photos/{number}.png", number)
        mask(f"masks/{number}.png", 1)
    assert run("init", "photos", "--masks", "masks") == 0
    assert "--folds 3" in run.out
    assert run("init", "photos", "--masks", "masks", "--folds", "3") == 0
    parts = [opened(f"dataset_fold{number}.yaml") for number in (1, 2, 3)]
    assert sorted(id for each in parts for id in each.val) == [f"photos/{number}" for number in range(7)]
    assert all(len(each.labeled) + len(each.val) == 7 for each in parts)
    assert run("init", "photos", "--masks", "masks", "--folds", "8", "--out", "more.yaml") == 1
    assert "--folds 8: expected 2 to 7" in run.err


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("brain_1.nii.gz", "NIfTI volumes are not read: save each slice"),
        ("map.geojson", "burn them into a GeoTIFF"),
        ("a.jpg.json", "Supervisely's files are not read: export as COCO"),
        ("train.csv", "run lengths decoded"),
        ("via.json", "export as COCO or labelme"),
        ("notes.txt", "export them as PNG masks or as COCO"),
    ],
)
def test_labels_in_a_form_that_is_not_read(run: CommandLine, name: str, advice: str) -> None:
    picture("photos/a.jpg", 0)
    Path("labels").mkdir()
    Path("labels", name).write_text("{}")
    assert run("init", "photos", "--masks", "labels") == 1
    assert "holds neither masks" in run.err
    assert advice in run.err
