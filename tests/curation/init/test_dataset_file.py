"""dataset.yaml: what it may say, and what it says of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from s4former.config import DataError
from s4former.data import DatasetFile
from s4former.data.dataset_yaml import is_dataset_file, read_dataset_file
from s4former.types import IGNORE

MIXED = {(1, 2, 3): 0, 4: 0, (9, 9, 9): IGNORE}
FOLDERS = "labeled: {images: i, masks: m}\n"


def read(tmp_path: Path, text: str) -> DatasetFile:
    (tmp_path / "dataset.yaml").write_text(text)
    return read_dataset_file(tmp_path / "dataset.yaml")


@pytest.mark.parametrize(
    ("text", "meanings"),
    [
        ("names: [a, b]", {0: 0, 1: 1, 255: IGNORE}),
        ("names: [a, {name: b, values: 255}]", {0: 0, 255: 1}),
        ("names: [a, {name: b, values: [3, 5]}]\nignore: [7]", {0: 0, 3: 1, 5: 1, 7: IGNORE}),
        ('names: [{name: a, values: ["#ff8000"]}]\nignore: []', {(255, 128, 0): 0}),
        ("names: [{name: a, values: [[1, 2, 3], 4]}]\nignore: [[9, 9, 9]]", MIXED),
        ("names: {2: b, 1: a}", {1: 0, 2: 1, 255: IGNORE}),
    ],
)
def test_values(tmp_path: Path, text: str, meanings: dict[object, int]) -> None:
    assert read(tmp_path, FOLDERS + text).classes.meanings == meanings


def test_colors(tmp_path: Path) -> None:
    text = 'names: [a, {name: b, color: "#0a0b0c"}, {name: c, values: [7, [1, 2, 3]]}, d]'
    colors = read(tmp_path, FOLDERS + text).classes.colors
    assert colors[1:3] == ((10, 11, 12), (1, 2, 3))
    assert len(set(colors)) == 4


def test_a_held_out_list_names_labeled_images(tmp_path: Path) -> None:
    labeled = "labeled: {images: [i, j], masks: m, mask_suffix: _m}"
    file = read(tmp_path, f"names: [a]\n{labeled}\nval: {{list: v.txt}}")
    val = file.split("val")
    assert val is not None
    assert (val.images, val.masks, val.mask_suffix, val.list) == (("i", "j"), ("m",), "_m", "v.txt")
    assert file.split("test") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("names: [a, b]\nlabeled: {images: i, mask: m}", "labeled.mask: unknown field; did you mean masks"),
        ("names: [a, {nam: b}]\n" + FOLDERS, r"names\.1\.nam: unknown field; did you mean name"),
        (FOLDERS, "names: missing"),
        ("names: [a]", "labeled: missing"),
        ("names: [a, a]\n" + FOLDERS, "class names must differ"),
        ("names: [a, b]\nignore: 1\n" + FOLDERS, "value 1 is both the class 'b' and a value to ignore"),
        ("names: [a, {name: b, values: [0]}]\n" + FOLDERS, "0 is both the class 'a' and the class 'b'"),
        ("names: [a, {name: b, values: [red]}]\n" + FOLDERS, r"got 'red'; a mask value is .* \[255, 0, 0\]"),
        ("names: [a, {name: b, values: [[1, 2, 300]]}]\n" + FOLDERS, r"got \[1, 2, 300\]; a mask value"),
        ("names: [a, {name: b, values: [-3000000000]}]\n" + FOLDERS, "got -3000000000; a mask value"),
        ("names: [a, {name: b, values: []}]\n" + FOLDERS, r"no pixel can be of a class without values"),
        ("names: [{name: a, values: [[0, 0, 0]]}]\nignore: [0, 0, 0]\n" + FOLDERS, "both the class 'a' and"),
        (
            "names: [{name: a, values: [[0, 0, 0]]}]\nignore: [[0, 0, 0]]\n" + FOLDERS,
            "both the class 'a' and",
        ),
        ("names: [{name: a, values: [[0, 0, 0]]}]\nignore: [0]\n" + FOLDERS, "0 is both the class 'a' and"),
        (
            "names: [{name: a, values: [[9, 0, 0]]}]\nignore: [1, 2, 3]\n" + FOLDERS,
            r"ignore: \[1, 2, 3\] may be a color or three numbers; write \[\[1, 2, 3\]\]",
        ),
        ("names: [a]\nval: 0.2\n" + FOLDERS, "val: got 0.2; expected .* init IMAGES --val 0.2"),
        ("names: [a]\nlabeled: {images: i}", "labeled: has neither masks nor annotations"),
        ("names: [a]\nlabeled: {masks: i}", "labeled: has no images"),
        ("names: [a]\nlabeled: {images: i, masks: m, annotations: a.json}", "has masks and annotations"),
        ("names: [a]\nlabeled: {images: i, masks: [m, n]}", "1 folders of images and 2 of masks"),
        ("names: [a]\nlabeled: {images: i, annotations: a, outside: b}", "outside is 'b'; expected ignore"),
        ("format: s4former-dataset/9\nnames: [a]\n" + FOLDERS, "this version of s4former reads"),
        ("names: [", "not readable as YAML"),
        ("[1]", "does not make a data set"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        read(tmp_path, text)
    assert "dataset.yaml" in str(error.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.yaml; set data.root"):
        read_dataset_file(tmp_path / "nowhere.yaml")


def test_data_sets_and_runs_are_told_apart() -> None:
    assert is_dataset_file({"names": ["a"]})
    assert is_dataset_file({"labeled": {}})
    assert not is_dataset_file({"steps": 3, "data": {}})
    assert not is_dataset_file(None)
