"""The folder source: what it finds, how it reads it, and what it says of a folder that is not right."""

from __future__ import annotations

import logging
import os
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from folders import COLORS, make_folder, write_classes, write_image, write_mask
from s4former.config import DataError
from s4former.data import DataConfig, evaluation_pairs, open_source, split_ids, write_splits
from s4former.data.sources import evaluation_share
from s4former.types import IGNORE


def write_list(root: Path, name: str, lines: list[str]) -> str:
    (root / name).write_text("\n".join(lines))
    return name


def test_without_lists_images_with_a_mask_are_labeled(tmp_path: Path) -> None:
    source = open_source(DataConfig(root=str(make_folder(tmp_path, 2, 3, 1))))
    assert source.labeled == ("images/train/a00", "images/train/a01")
    assert source.unlabeled == ("images/train/u00", "images/train/u01", "images/train/u02")
    assert (source.val, source.test) == (("images/val/v00",), ())
    assert source.classes.names == ("ground", "red", "blue")
    assert source.classes.colors == tuple(tuple(color) for color in COLORS)


def test_a_list_hides_the_masks_of_the_rest(tmp_path: Path) -> None:
    split = write_list(make_folder(tmp_path, 3, 1), "labeled.txt", ["a02"])
    source = open_source(DataConfig(root=str(tmp_path), labeled_split=split))
    assert source.labeled == ("images/train/a02",)
    assert source.unlabeled == ("images/train/a00", "images/train/a01", "images/train/u00")
    with pytest.raises(ValueError, match="never opened"):
        source.read_mask("images/train/a00", "unlabeled")


@pytest.mark.parametrize("labeled", [1, 2, 3])
@pytest.mark.parametrize("unlabeled", [0, 1, 5])
def test_small_numbers(tmp_path: Path, labeled: int, unlabeled: int) -> None:
    source = open_source(DataConfig(root=str(make_folder(tmp_path, labeled, unlabeled))))
    assert (len(source.labeled), len(source.unlabeled)) == (labeled, unlabeled)


def test_published_pairs_and_subfolders(tmp_path: Path) -> None:
    """Lines that name image and mask from further up, and a mask whose name is not the image's."""
    root = make_folder(tmp_path, 0, 0, 1)
    image = write_image(root / "left/train/jena/x_0_left.png", 1)
    labels = write_mask(root / "fine/train/jena/x_0_ids.png", 1)
    write_image(root / "left/train/jena/y_0_left.png", 2)
    config = DataConfig(
        root=str(root),
        train_images="left/train",
        train_masks="fine/train",
        labeled_split=write_list(
            root, "l.txt", ["left/train/jena/x_0_left.png fine/train/jena/x_0_ids.png", ""]
        ),
    )
    source = open_source(config)
    assert source.labeled == ("left/train/jena/x_0_left",)
    assert source.unlabeled == ("left/train/jena/y_0_left",)
    assert np.array_equal(source.read_image("left/train/jena/x_0_left", "labeled"), image)
    assert np.array_equal(source.read_mask("left/train/jena/x_0_left", "labeled"), labels)


def cityscapes(tmp_path: Path, **changes: object) -> DataConfig:
    """Three images in Cityscapes' layout, where an image and its masks differ in the end of their names."""
    root = make_folder(tmp_path, 0, 0, 1)
    for seed, id in enumerate(("aachen/a_0", "aachen/a_1", "bonn/b_0")):
        write_image(root / f"left/train/{id}_leftImg8bit.png", seed)
        write_mask(root / f"fine/train/{id}_gtFine_labelTrainIds.png", seed)
        write_image(root / f"fine/train/{id}_gtFine_color.png", seed)
    fields = {
        "root": str(root),
        "train_images": "left/train",
        "train_masks": "fine/train",
        "val_images": None,
        "test_images": None,
        "image_suffix": "_leftImg8bit",
        "mask_suffix": "_gtFine_labelTrainIds",
    }
    return DataConfig.model_validate(fields | changes)


@pytest.mark.parametrize(
    "line",
    [
        "aachen/a_1",
        "aachen/a_1_leftImg8bit.png",
        "left/train/aachen/a_1_leftImg8bit.png fine/train/aachen/a_1_gtFine_labelTrainIds.png",
    ],
)
def test_lists_may_leave_out_suffixes(tmp_path: Path, line: str) -> None:
    config = cityscapes(tmp_path)
    config = config.model_copy(update={"labeled_split": write_list(Path(config.root), "l.txt", [line])})
    source = open_source(config)
    assert source.labeled == ("left/train/aachen/a_1_leftImg8bit",)
    assert source.unlabeled == ("left/train/aachen/a_0_leftImg8bit", "left/train/bonn/b_0_leftImg8bit")
    assert np.array_equal(
        source.read_mask(source.labeled[0], "labeled"),
        np.array(Image.open(tmp_path / "fine/train/aachen/a_1_gtFine_labelTrainIds.png")),
    )
    assert source.read_image(source.unlabeled[1], "unlabeled").shape == (40, 48, 3)


def test_a_suffix_that_no_file_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"called \.\.\._ids \(there is .*\.png\); change .*data\.mask_suffix"
    ):
        open_source(cityscapes(tmp_path, mask_suffix="_ids"))
    with pytest.raises(DataError, match=r"\.\.\._left .*data\.image_suffix"):
        open_source(cityscapes(tmp_path / "more", image_suffix="_left"))


def test_classes_of_a_published_data_set_by_name(tmp_path: Path) -> None:
    """Such a set needs no classes file."""
    (make_folder(tmp_path) / "classes.json").unlink()
    counts = {"voc": 21, "cityscapes": 19, "coco": 81, "ade20k": 150, "camvid": 11}
    for name, count in counts.items():
        classes = open_source(DataConfig(root=str(tmp_path), classes=name)).classes
        assert (len(classes), classes.ignore) == (count, (IGNORE,))
    assert open_source(DataConfig(root=str(tmp_path), classes="voc")).classes.names[15] == "person"


def test_one_image_folder_with_lists(tmp_path: Path) -> None:
    """VOC's layout: all images lie in one folder; held-out ones do not end up among the unlabeled."""
    root = make_folder(tmp_path, 3, 2, 0)
    config = DataConfig(
        root=str(root),
        labeled_split=write_list(root, "l.txt", ["a00.png"]),
        val_images="images/train",
        val_masks="masks/train",
        val_split=write_list(root, "v.txt", ["a02"]),
    )
    source = open_source(config)
    names = {
        split: [Path(id).name for id in split_ids(source, split)] for split in ("labeled", "unlabeled", "val")
    }
    assert names == {"labeled": ["a00"], "unlabeled": ["a01", "u00", "u01"], "val": ["a02"]}


def test_labeled_images_must_not_be_validated_on(tmp_path: Path) -> None:
    root = make_folder(tmp_path, 3, 2, 0)
    config = DataConfig(
        root=str(root),
        labeled_split=write_list(root, "l.txt", ["a00", "a01"]),
        val_images="images/train",
        val_masks="masks/train",
        val_split=write_list(root, "v.txt", ["a01", "a02"]),
    )
    with pytest.raises(
        DataError,
        match=r"1 labeled images are also val images: images/train/a01.*data\.labeled_split, data\.val_split",
    ):
        open_source(config)


def test_unlabeled_val_images_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = make_folder(tmp_path, 3, 2, 0)
    config = DataConfig(
        root=str(root),
        labeled_split=write_list(root, "l.txt", ["a00"]),
        unlabeled_split=write_list(root, "u.txt", ["u00", "a02"]),
        val_images="images/train",
        val_masks="masks/train",
        val_split=write_list(root, "v.txt", ["a02"]),
    )
    with caplog.at_level(logging.WARNING):
        assert open_source(config).unlabeled == ("images/train/u00", "images/train/a02")
    assert "1 unlabeled images are also val images: images/train/a02" in caplog.text


def test_missing_listed_images_are_named_and_counted(tmp_path: Path) -> None:
    root = make_folder(tmp_path, 1)
    split = write_list(root, "l.txt", ["a00", *(f"gone{i}" for i in range(7))])
    with pytest.raises(DataError) as error:
        open_source(DataConfig(root=str(root), labeled_split=split))
    assert "7 of 8 images" in str(error.value)
    assert "gone0, gone1, gone2, gone3, gone4 and 2 more" in str(error.value)
    assert "gone5" not in str(error.value)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (
            lambda root: shutil.rmtree(root / "masks/train"),
            r"there is no folder .*masks/train; change data\.train_masks",
        ),
        (
            lambda root: shutil.rmtree(root / "images/val"),
            r"there is no folder .*images/val; change data\.val_images",
        ),
        (
            lambda root: (root / "masks/val/v01.png").unlink(),
            "1 of 2 val images have no mask: images/val/v01",
        ),
        (lambda root: (root / "classes.json").unlink(), "classes file .*should look like"),
        (lambda root: write_classes(root, names="ground"), "no list of class names"),
        (lambda root: write_classes(root, ignore_index=1), "value 1 is both the class 'red' and"),
        (lambda root: write_classes(root, colors=[[0, 0, 0]]), "3 names, 1 colors"),
        (lambda root: write_classes(root, colors=[[0, 0, 0], [0, 0, 300], [1, 1, 1]]), "from 0 to 255"),
        (
            lambda root: [file.unlink() for file in (root / "masks/train").iterdir()],
            r"there is no mask in .*masks/train; .*data\.train_masks",
        ),
        (
            lambda root: write_image(root / "images/train/a00.bmp", 0),
            r"a00\.bmp and .*a00\.png differ in .*data\.image_suffix=\.bmp",
        ),
    ],
)
def test_what_is_not_right_is_named(tmp_path: Path, break_it, message: str) -> None:
    break_it(make_folder(tmp_path))
    with pytest.raises(DataError, match=message) as error:
        open_source(DataConfig(root=str(tmp_path)))
    assert error.value.exit_code == 3


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set data\.root"):
        open_source(DataConfig(root=str(tmp_path / "nowhere")))


def test_the_parts_are_written_as_lists(tmp_path: Path) -> None:
    source = open_source(DataConfig(root=str(make_folder(tmp_path, 2, 0, 1))))
    write_splits(source, tmp_path / "splits")
    texts = {path.name: path.read_text() for path in (tmp_path / "splits").iterdir()}
    assert texts == {
        "labeled.txt": "images/train/a00\nimages/train/a01\n",
        "val.txt": "images/val/v00\n",
    }


def test_evaluation_pairs(tmp_path: Path) -> None:
    source = open_source(DataConfig(root=str(make_folder(tmp_path))))
    pairs = list(evaluation_pairs(source, "val"))
    assert [id for id, _, _ in pairs] == ["images/val/v00", "images/val/v01"]
    assert pairs[0][1].dtype == np.uint8
    assert pairs[0][2].dtype == np.uint8
    with pytest.raises(DataError, match=r"no test images; set data\.test_images"):
        evaluation_pairs(source, "test")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_shares_of_an_evaluation_are_all_of_it(count: int, processes: int) -> None:
    images = list(range(count))
    shares = [images[evaluation_share(count, rank, processes)] for rank in range(processes)]
    assert list(chain(*shares)) == images
    assert {len(share) for share in shares} <= {count // processes, -(-count // processes)}
    assert bool(shares[0]) == bool(images)  # process 0 shows some of its own


def test_evaluation_pairs_are_read_one_by_one(tmp_path: Path) -> None:
    (make_folder(tmp_path) / "images/val/v01.png").write_bytes(b"no picture")
    pairs = evaluation_pairs(open_source(DataConfig(root=str(tmp_path))), "val")
    assert next(pairs)[0] == "images/val/v00"
    with pytest.raises(DataError, match=r"v01\.png"):
        next(pairs)


def test_a_mask_of_another_size_is_an_error(tmp_path: Path) -> None:
    write_mask(make_folder(tmp_path) / "masks/val/v00.png", 0, (48, 40))
    with pytest.raises(DataError, match=r"v00 has 40 x 48 .* mask 48 x 40"):
        next(evaluation_pairs(open_source(DataConfig(root=str(tmp_path))), "val"))


def test_palette_indices_are_kept(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (40, 48), dtype=np.uint8)
    palette = Image.fromarray(labels, mode="P")
    palette.putpalette([value for color in COLORS for value in color])
    palette.save(make_folder(tmp_path) / "masks/train/a00.png")
    assert Image.open(tmp_path / "masks/train/a00.png").mode == "P"
    source = open_source(DataConfig(root=str(tmp_path)))
    assert np.array_equal(source.read_mask("images/train/a00", "labeled"), labels)


def test_16_bit_and_1_bit_masks_are_read(tmp_path: Path) -> None:
    root = make_folder(tmp_path)
    labels = np.random.default_rng(0).integers(0, 2, (40, 48))
    Image.fromarray(labels.astype(np.uint16)).save(root / "masks/train/a00.png")
    Image.fromarray(labels.astype(bool)).save(root / "masks/train/a01.png")
    source = open_source(DataConfig(root=str(root)))
    for id in source.labeled[:2]:
        assert np.array_equal(source.read_mask(id, "labeled"), labels)


def test_color_masks_are_refused(tmp_path: Path) -> None:
    write_image(make_folder(tmp_path) / "masks/train/a00.png", 0)
    with pytest.raises(
        DataError, match=r"a00\.png: unknown .* more values; .*in color, describe .*dataset\.yaml"
    ):
        open_source(DataConfig(root=str(tmp_path))).read_mask("images/train/a00", "labeled")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_images_of_any_mode_become_rgb(tmp_path: Path, mode: str) -> None:
    root = make_folder(tmp_path)
    picture = Image.open(root / "images/train/u00.png").convert(mode)
    (root / "images/train/u00.png").unlink()
    picture.save(root / "images/train/u00.TIFF")
    pixels = open_source(DataConfig(root=str(root))).read_image("images/train/u00", "unlabeled")
    assert np.array_equal(pixels, np.array(picture.convert("RGB")))


def test_16_bit_images_without_a_range_are_refused_instead_of_clipped(tmp_path: Path) -> None:
    root = make_folder(tmp_path)
    Image.fromarray(np.full((40, 48), 3000, np.uint16)).save(root / "images/train/u00.png")
    with pytest.raises(DataError, match=r"set data\.value_range=\[3000,3001\]"):
        open_source(DataConfig(root=str(root))).read_image("images/train/u00", "unlabeled")


def test_unknown_labels_are_named_and_counted(tmp_path: Path) -> None:
    labels = np.zeros((40, 48), np.uint8)
    labels[0, :7] = 17
    Image.fromarray(labels).save(make_folder(tmp_path) / "masks/train/a00.png")
    with pytest.raises(DataError) as error:
        open_source(DataConfig(root=str(tmp_path))).read_mask("images/train/a00", "labeled")
    message = str(error.value)
    assert "a00.png" in message
    assert "17 (7 pixels)" in message
    assert "ignore_index" in message
    assert "names" in message


def test_ignored_values_become_ignore(tmp_path: Path) -> None:
    labels = np.zeros((40, 48), np.uint8)
    labels[0, :7], labels[1] = 17, 99
    Image.fromarray(labels).save(make_folder(tmp_path) / "masks/train/a00.png")
    write_classes(tmp_path, ignore_index=[17, 99])
    mask = open_source(DataConfig(root=str(tmp_path))).read_mask("images/train/a00", "labeled")
    assert (mask == IGNORE).sum() == 7 + 48


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(tmp_path: Path, orientation: int) -> None:
    """An image is turned as its tag says; the mask fits the turned image, or bears a tag as well."""
    root = make_folder(tmp_path)
    turned = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels, labels = write_image(tmp_path / "x.png", 0), write_mask(tmp_path / "y.png", 0)
    for id in ("a00", "a01"):
        Image.fromarray(pixels).save(root / f"images/train/{id}.png", exif=exif)
    Image.fromarray(np.ascontiguousarray(turned(labels))).save(root / "masks/train/a00.png")
    Image.fromarray(labels).save(root / "masks/train/a01.png", exif=exif)
    source = open_source(DataConfig(root=str(root)))
    for id in source.labeled[:2]:
        assert np.array_equal(source.read_image(id, "labeled"), turned(pixels))
        assert np.array_equal(source.read_mask(id, "labeled"), turned(labels))


def test_truncated_files_are_named(tmp_path: Path) -> None:
    root = make_folder(tmp_path)
    for path in (root / "images/train/a00.png", root / "masks/train/a00.png"):
        path.write_bytes(path.read_bytes()[:-200])
    source = open_source(DataConfig(root=str(root)))
    with pytest.raises(DataError, match=r"cannot read the image .*images/train/a00\.png"):
        source.read_image("images/train/a00", "labeled")
    with pytest.raises(DataError, match=r"cannot read the mask .*masks/train/a00\.png"):
        source.read_mask("images/train/a00", "labeled")


def test_fingerprint(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "one")
    first = open_source(DataConfig(root=str(root))).fingerprint()
    shutil.copytree(root, tmp_path / "two")
    moved = DataConfig(root=str(tmp_path / "two"))
    (tmp_path / "two/masks/train/u00.png").write_bytes(b"")  # labels u00: another data set
    assert open_source(moved).fingerprint() != first
    (tmp_path / "two/masks/train/u00.png").unlink()
    assert open_source(moved).fingerprint() == first
    os.truncate(tmp_path / "two/images/train/a00.png", 100)
    assert open_source(moved).fingerprint() != first


@pytest.mark.parametrize("fields", [{"root": "nowhere", "classes": "voc"}, {"root": "data/voc"}])
def test_a_missing_folder_of_a_published_set_names_its_command(fields: dict[str, str]) -> None:
    with pytest.raises(DataError, match=r"type `s4former prepare voc`"):
        open_source(DataConfig(**fields))


def test_values_below_0_may_be_ignored_in_a_classes_file(tmp_path: Path) -> None:
    labels = np.zeros((40, 48), np.int16)
    labels[0, :7] = -1
    folder = make_folder(tmp_path)
    (folder / "masks/train/a00.png").unlink()
    np.save(folder / "masks/train/a00.npy", labels)
    write_classes(tmp_path, ignore_index=-1)
    mask = open_source(DataConfig(root=str(tmp_path))).read_mask("images/train/a00", "labeled")
    assert (mask == IGNORE).sum() == 7


@pytest.mark.parametrize("ignored", [[0, 0, 0], [[0, 0, 0]], "#000000"])
def test_a_color_to_ignore_has_one_meaning_in_a_classes_file(tmp_path: Path, ignored: object) -> None:
    write_classes(make_folder(tmp_path), ignore_index=ignored)
    with pytest.raises(DataError, match=r"mask value \[0, 0, 0\] is both the class"):
        open_source(DataConfig(root=str(tmp_path)))
