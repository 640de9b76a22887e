"""A data set as its dataset.yaml says: what is found, how masks are read, and what is said of mistakes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from folders import write_image
from s4former.config import DataError
from s4former.curation import open_source
from s4former.data import DataConfig, FolderSource, evaluation_pairs
from s4former.types import IGNORE

LABELS = np.random.default_rng(0).integers(0, 3, (6, 8), dtype=np.uint8)
COLORS = np.array([[0, 0, 0], [250, 10, 20], [30, 40, 240]], np.uint8)
SIZE = LABELS.shape


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels, mode=mode).save(path, **options)


def images(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        write_image(root / name, number, SIZE)


def masks(root: Path, *names: str) -> None:
    for name in names:
        save(root / name, LABELS)


def source(root: Path, labeled: dict[str, object] | None = None, **rest: object) -> FolderSource:
    """Open a data set with the classes 0, 1 and 2 in ``i`` and ``m``, but for what is said."""
    config = {key: rest.pop(key) for key in list(rest) if key.endswith("_split")}
    content = {"names": ["a", "b", "c"], "labeled": {"images": "i", "masks": "m"} | (labeled or {})} | rest
    (root / "dataset.yaml").write_text(yaml.safe_dump(content))
    opened = open_source(DataConfig(source="dataset", root=str(root), **config))
    assert isinstance(opened, FolderSource)
    return opened


def pairs(found: FolderSource) -> dict[str, str]:
    """Name of image to name of mask, below the data set's folder."""
    split = found.splits["labeled"]

    def short(file: str) -> str:
        return Path(file).relative_to(found.root).as_posix()

    return {short(split.images[id]): short(mask) for id, mask in split.masks.items()}


@pytest.mark.parametrize(
    ("image_names", "mask_names", "labeled", "matched"),
    [
        ("i/a.png i/b.jpg", "m/a.png", {}, "i/a.png m/a.png"),
        ("i/a.JPG", "m/a.PNG", {}, "i/a.JPG m/a.PNG"),
        ("i/A1.png", "m/a1.png", {}, "i/A1.png m/a1.png"),
        ("i/s/a.png i/t/a.png", "m/t/a.png", {}, "i/t/a.png m/t/a.png"),
        ("i/a.png", "m/a_mask.png m/other.png", {"mask_suffix": "_mask"}, "i/a.png m/a_mask.png"),
        ("i/a_rgb.png i/a_nir.png", "m/a.png", {"image_suffix": "_rgb"}, "i/a_rgb.png m/a.png"),
        ("i/im1.png", "m/seg1.png", {"image_prefix": "im", "mask_prefix": "seg"}, "i/im1.png m/seg1.png"),
        ("i/a.png i/b.png", "i/a_mask.png", {"masks": "i", "mask_suffix": "_mask"}, "i/a.png i/a_mask.png"),
        (
            "i/a.jpg",
            "i/a.png",
            {"masks": "i", "image_suffix": ".jpg", "mask_suffix": ".png"},
            "i/a.jpg i/a.png",
        ),
        ("i/a.png", "i/m/a.png", {"masks": "i/m"}, "i/a.png i/m/a.png"),
        ("a.png", "m/a.png", {"images": "."}, "a.png m/a.png"),
        ("i/a.jpg i/b.jpg", "m/a.jpg.png m/b.jpg.png", {}, "i/a.jpg m/a.jpg.png i/b.jpg m/b.jpg.png"),
        ("i/a.png.jpg", "m/a.png", {}, "i/a.png.jpg m/a.png"),
        ("i/a.b.jpg", "m/a.b_gt.png", {"mask_suffix": "_gt"}, "i/a.b.jpg m/a.b_gt.png"),
        ("i/a.png j/a.png", "m/a.png n/a.png", {"images": ["i", "j"], "masks": ["n", "m"]},
         "i/a.png n/a.png j/a.png m/a.png"),
        ("i/a.png j/b.png", "m/a.png m/b.png", {"images": ["i", "j"]}, "i/a.png m/a.png j/b.png m/b.png"),
    ],
)  # fmt: skip
def test_which_mask_belongs_to_which_image(
    tmp_path: Path, image_names: str, mask_names: str, labeled: dict[str, object], matched: str
) -> None:
    images(tmp_path, *image_names.split())
    masks(tmp_path, *mask_names.split())
    names = matched.split()
    assert pairs(source(tmp_path, labeled)) == dict(zip(names[::2], names[1::2], strict=True))


@pytest.mark.parametrize(
    ("image_names", "mask_names", "labeled", "words"),
    [
        ("i/a.png", "m/b.png", {}, r"none of 1 masks in .*m belongs to one of 1 images: .*b\.png.*a\.png"),
        ("i/a1.png i/a2.png", "m/a1_gt.png", {}, r"their names suggest: mask_suffix: _gt \(below labeled:\)"),
        ("i/s/a1.png", "m/a1.png", {}, "give masks the subfolders of their images"),
        (
            "i/a.png i/a.jpg",
            "m/a.png",
            {},
            r"a\.jpg and .*a\.png differ in .*image_suffix: \.jpg \(below labeled:",
        ),
        ("i/a.png", "m/a.png m/a.bmp", {}, r"has two masks, .*a\.bmp and .*a\.png"),
        ("i/a.jpg", "m/a.png m/a.jpg.png", {}, r"has two masks, .*a\.png and .*a\.jpg\.png"),
        ("i/a.png", "m/a.png m/A.png", {}, r"has two masks, .*a\.png and .*A\.png"),
        ("i/a.png j/a.png", "m/a.png", {"images": ["i", "j"]}, r"mask of both .*i/a\.png and .*j/a\.png"),
        ("i/a.png", "i/b.png", {"masks": "i"}, "would be its own mask.*one folder"),
        (
            "i/a.jpg i/b.jpg",
            "i/a.png",
            {"masks": "i"},
            r"mask of the other.*: \.jpg, mask_suffix: \.png",
        ),
        ("i/a.png", "m/a.png", {"images": "j"}, r"there is no folder .*j; change labeled\.images"),
        ("i/a.png", "m/a.png", {"masks": "n"}, r"there is no folder .*n; change labeled\.masks"),
        ("i/a.png", "m/a.png", {"image_suffix": "_x"}, r"none of the 1 files .*a\.png, do not fit \.\.\._x"),
        ("i/a.png", "m/a.png", {"list": "l.txt"}, r"1 of 2 images of the list .*: gone; .* such as i/a"),
    ],
)
def test_mistakes_in_names(
    tmp_path: Path, image_names: str, mask_names: str, labeled: dict[str, object], words: str
) -> None:
    images(tmp_path, *image_names.split())
    masks(tmp_path, *mask_names.split())
    (tmp_path / "l.txt").write_text("a\ngone\n")
    with pytest.raises(DataError, match=words):
        source(tmp_path, labeled)


def test_parts_do_not_overlap(tmp_path: Path) -> None:
    images(tmp_path, *(f"i/{name}.png" for name in "abcdef"), "more/x.png", "more/y.png")
    masks(tmp_path, *(f"m/{name}.png" for name in "abcd"))
    (tmp_path / "v.txt").write_text("b\n")
    (tmp_path / "t.txt").write_text("i/c.png\n")
    found = source(
        tmp_path,
        unlabeled={"images": ["i", "more"]},
        val={"list": "v.txt"},
        test={"images": "i", "masks": "m", "list": "t.txt"},
    )
    assert found.labeled == ("i/a", "i/d")
    assert found.unlabeled == ("i/e", "i/f", "more/x", "more/y")
    assert (found.val, found.test) == (("i/b",), ("i/c",))
    assert [id for id, _, _ in evaluation_pairs(found, "val")] == ["i/b"]
    assert found.mask_file("i/e", "unlabeled") is None
    with pytest.raises(ValueError, match="never opened"):
        found.read_mask("i/e", "unlabeled")
    copy = pickle.loads(pickle.dumps(found))
    assert copy.unlabeled == found.unlabeled
    assert np.array_equal(copy.read_mask("i/a", "labeled"), LABELS)


def test_split_lists_of_the_run_replace_those_of_the_file(tmp_path: Path) -> None:
    images(tmp_path, *(f"i/{name}.png" for name in "abcd"))
    masks(tmp_path, *(f"m/{name}.png" for name in "abcd"))
    (tmp_path / "l.txt").write_text("a\n")
    (tmp_path / "u.txt").write_text("c.png\n")
    found = source(tmp_path, labeled_split="l.txt", unlabeled={"images": "i"})
    assert (found.labeled, found.unlabeled) == (("i/a",), ("i/b", "i/c", "i/d"))
    found = source(tmp_path, labeled_split="l.txt", unlabeled_split="u.txt")
    assert (found.labeled, found.unlabeled) == (("i/a",), ("i/c",))


def test_lists_must_mean_one_image_and_not_what_is_held_out(tmp_path: Path) -> None:
    images(tmp_path, "i/a.png", "i/b.png", "j/a.png")
    masks(tmp_path, "m/a.png", "m/b.png")
    (tmp_path / "l.txt").write_text("a\n")
    with pytest.raises(DataError, match=r"a in .* means i/a or j/a; write its folder too"):
        source(tmp_path, {"images": ["i", "j"], "list": "l.txt"})
    with pytest.raises(
        DataError, match=r"1 labeled images are also val images: i/a; .*\(labeled\.list, val\.list\)"
    ):
        source(tmp_path, {"list": "l.txt"}, val={"list": "l.txt"})
    (tmp_path / "l.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match=r"all 2 images with a mask are val images.*val\.list"):
        source(tmp_path, val={"list": "l.txt"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,mask\ni/a.png,m/a.png\n", r"image,mask; .*one name a line, and no heading"),
        ("# mine\na\n", "no comments: remove the lines that start with #"),
        ('["a", "b"]', "one name a line, and is no JSON"),
    ],
)
def test_lists_hold_one_name_a_line(tmp_path: Path, text: str, words: str) -> None:
    images(tmp_path, "i/a.png", "i/b.png")
    masks(tmp_path, "m/a.png", "m/b.png")
    (tmp_path / "train.txt").write_text(text)
    with pytest.raises(DataError, match=words):
        source(tmp_path, {"list": "train.txt"})


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("j", r"no folder .*j; change labeled.images \(paths"),
        (".\\i", r"write / in place of \\, as ./i"),
        ("~/i", "write the whole path"),
    ],
)
def test_the_spelling_of_a_path_and_its_field_are_told(tmp_path: Path, folder: str, words: str) -> None:
    images(tmp_path, "i/a.png", "i/b.png")
    masks(tmp_path, "m/a.png", "m/b.png")
    (tmp_path / "val.txt").write_text("a\n")
    with pytest.raises(DataError, match=words):
        source(tmp_path, {"images": folder}, val={"list": "val.txt"})


def test_a_list_may_name_masks_too(tmp_path: Path) -> None:
    images(tmp_path, "i/a.png", "i/b.png")
    masks(tmp_path, "m/b.png", "m/odd.png")
    (tmp_path / "l.txt").write_text("i/a.png m/odd.png\n")
    assert pairs(source(tmp_path, {"list": "l.txt"})) == {"i/a.png": "m/odd.png"}


def test_masks_without_an_image_are_told(tmp_path: Path) -> None:
    images(tmp_path, "i/a.png")
    masks(tmp_path, "m/a.png", "m/stray.png")
    assert any("1 masks belong to no image" in note and "stray" in note for note in source(tmp_path).notes)


def test_held_out_images_need_masks(tmp_path: Path) -> None:
    images(tmp_path, "i/a.png", "v/b.png", "v/c.png")
    masks(tmp_path, "m/a.png", "m/b.png")
    with pytest.raises(DataError, match="1 of 2 val images have no mask: v/c"):
        source(tmp_path, val={"images": "v", "masks": "m"})


def write_kind(path: Path, kind: str) -> None:
    """Write the labels as a mask of a kind."""
    if kind == "palette":
        picture = Image.fromarray(LABELS, mode="P")
        picture.putpalette(COLORS.reshape(-1).tolist())
        picture.save(path.with_suffix(".png"))
        return
    options = {
        "index": (LABELS, ".png"),
        "bmp": (LABELS, ".bmp"),
        "16-bit": (LABELS.astype(np.uint16) * 300, ".png"),
        "16-bit tiff": (LABELS.astype(np.uint16) * 300, ".tif"),
        "32-bit tiff": (LABELS.astype(np.int32) * 300, ".tif"),
        "float tiff": (LABELS.astype(np.float32) * 300, ".tif"),
        "1-bit": (LABELS > 0, ".png"),
        "rgb": (COLORS[LABELS], ".png"),
        "rgba": (np.dstack([COLORS[LABELS], np.full(SIZE, 128, np.uint8)]), ".png"),
        "webp": (COLORS[LABELS], ".webp"),
        "gray as rgb": (np.dstack([LABELS * 100] * 3), ".png"),
    }
    pixels, ending = options[kind]
    save(path.with_suffix(ending), pixels, **({"lossless": True} if ending == ".webp" else {}))


BY_COLOR = [{"name": name, "values": [color]} for name, color in zip("abc", COLORS.tolist(), strict=True)]
BY_300 = ["a", {"name": "b", "values": [300]}, {"name": "c", "values": [600]}]


@pytest.mark.parametrize(
    ("kind", "names", "expected"),
    [
        ("index", ["a", "b", "c"], LABELS),
        ("bmp", ["a", "b", "c"], LABELS),
        ("palette", ["a", "b", "c"], LABELS),
        ("palette", BY_COLOR, LABELS),
        ("rgb", BY_COLOR, LABELS),
        ("rgba", BY_COLOR, LABELS),
        ("webp", BY_COLOR, LABELS),
        ("16-bit", BY_300, LABELS),
        ("16-bit tiff", BY_300, LABELS),
        ("32-bit tiff", BY_300, LABELS),
        ("float tiff", BY_300, LABELS),
        ("1-bit", ["a", "b"], LABELS > 0),
        ("1-bit", [{"name": "a", "values": [[0] * 3]}, {"name": "b", "values": ["#ffffff"]}], LABELS > 0),
        ("gray as rgb", ["a", {"name": "b", "values": [100]}, {"name": "c", "values": [200]}], LABELS),
        ("index", ["a", {"name": "b", "values": [1, 2]}], LABELS > 0),
    ],
)
def test_kinds_of_masks(tmp_path: Path, kind: str, names: list[object], expected: np.ndarray) -> None:
    images(tmp_path, "i/x.png")
    (tmp_path / "m").mkdir()
    write_kind(tmp_path / "m/x", kind)
    found = source(tmp_path, names=names)
    assert np.array_equal(found.read_mask("i/x", "labeled"), expected)


def test_ignored_colors_and_values(tmp_path: Path) -> None:
    images(tmp_path, "i/x.png")
    save(tmp_path / "m/x.png", COLORS[LABELS])
    found = source(tmp_path, names=BY_COLOR[:2], ignore=[COLORS[2].tolist()])
    assert np.array_equal(found.read_mask("i/x", "labeled"), np.where(LABELS == 2, IGNORE, LABELS))


@pytest.mark.parametrize(
    ("ending", "pixels", "words"),
    [
        (".jpg", LABELS, "a lossy JPEG file changes values"),
        (".webp", np.dstack([LABELS] * 3), "a lossy WEBP file changes values"),
        (".tif", LABELS / np.float32(2), "whole numbers, this one has 0.5"),
    ],
)
def test_masks_that_cannot_hold_classes(tmp_path: Path, ending: str, pixels: np.ndarray, words: str) -> None:
    images(tmp_path, "i/x.png")
    save(tmp_path / f"m/x{ending}", pixels)
    with pytest.raises(DataError, match=rf"x\{ending}: .*{words}"):
        source(tmp_path).read_mask("i/x", "labeled")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_image_and_mask_by_one_rule(tmp_path: Path, orientation: int) -> None:
    """The mask of a turned image is either drawn on what viewers show, or has the image's tag."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = write_image(tmp_path / "i/shown.png", 0, SIZE)
    for name in ("shown", "tagged"):
        save(tmp_path / f"i/{name}.png", pixels, exif=exif)
    rows, cols = np.indices(SIZE)
    turned = {
        1: (rows, cols),
        2: (rows, cols[:, ::-1]),
        3: (rows[::-1], cols[:, ::-1]),
        4: (rows[::-1], cols),
        5: (rows.T, cols.T),
        6: (rows[::-1].T, cols.T),
        7: (rows[::-1].T, cols[:, ::-1].T),
        8: (rows.T, cols[:, ::-1].T),
    }[orientation]
    save(tmp_path / "m/shown.png", LABELS[turned])
    save(tmp_path / "m/tagged.png", LABELS, exif=exif)
    found = source(tmp_path)
    for id in ("i/shown", "i/tagged"):
        assert np.array_equal(found.read_image(id, "labeled"), pixels[turned])
        assert np.array_equal(found.read_mask(id, "labeled"), LABELS[turned])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg", ".bmp", ".webp"])
def test_images_of_any_kind_become_rgb(tmp_path: Path, mode: str, ending: str) -> None:
    masks(tmp_path, "m/x.png")
    picture = Image.fromarray(write_image(tmp_path / "x.png", 0, SIZE)).convert(mode)
    (tmp_path / "i").mkdir()
    try:
        picture.save(tmp_path / f"i/x{ending}", **({"lossless": True} if ending == ".webp" else {}))
        written = Image.open(tmp_path / f"i/x{ending}")
        written.load()  # some versions of Pillow write TIFFs of YCbCr that they take for truncated
    except OSError:
        pytest.skip(f"no {ending} file holds {mode}")
    pixels = source(tmp_path).read_image("i/x", "labeled")
    assert pixels.shape == (*SIZE, 3)
    assert np.array_equal(pixels, np.array(written.convert("RGB")))


def test_annotations_become_masks_beside_the_file(tmp_path: Path) -> None:
    images(tmp_path, "i/a.png", "i/b.png")
    shape = {"label": "b", "shape_type": "polygon", "points": [[2, 1], [6, 1], [6, 4], [2, 4]]}
    annotation = {"version": "5", "shapes": [shape], "imagePath": "a.png", "imageHeight": 6, "imageWidth": 8}
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/a.json").write_text(json.dumps(annotation))
    content = {
        "names": ["background", {"name": "b", "values": [77]}],
        "labeled": {"images": "i", "annotations": "ann"},
        "unlabeled": {"images": "i"},
    }
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump(content))
    before = sorted((tmp_path / "i").iterdir()) + sorted((tmp_path / "ann").iterdir())
    found = open_source(DataConfig(source="dataset", root=str(tmp_path)))
    assert (found.labeled, found.unlabeled) == (("i/a",), ("i/b",))
    expected = np.zeros(SIZE, np.uint8)
    expected[1:4, 2:6] = 1
    assert np.array_equal(found.read_mask("i/a", "labeled"), expected)
    assert sorted((tmp_path / "i").iterdir()) + sorted((tmp_path / "ann").iterdir()) == before
    assert (tmp_path / ".s4former").is_dir()


def test_the_fingerprint_follows_the_data_and_not_the_place(tmp_path: Path) -> None:
    for name in ("one", "two"):
        images(tmp_path / name, "i/a.png", "i/b.png")
        masks(tmp_path / name, "m/a.png")

    def fingerprint(name: str) -> str:
        return source(tmp_path / name, unlabeled={"images": "i"}).fingerprint()

    first = fingerprint("one")
    assert fingerprint("two") == first
    save(tmp_path / "two/m/a.png", LABELS * 0)
    assert fingerprint("two") != first
    save(tmp_path / "two/m/a.png", LABELS)
    images(tmp_path / "two", "i/c.png")
    assert fingerprint("two") != first


@pytest.mark.slow
def test_large_images_are_ones_own_and_not_refused(tmp_path: Path) -> None:
    side = 14_000  # 196 million pixels, above Pillow's guard
    images(tmp_path, "i/x.png")
    (tmp_path / "m").mkdir()
    Image.new("1", (side, side)).save(tmp_path / "m/x.png")
    assert source(tmp_path).read_mask("i/x", "labeled").shape == (side, side)
