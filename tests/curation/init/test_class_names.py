"""Names of classes: read beside the masks in the forms in which tools leave them, or those of known sets."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from s4former.curation.init.mask_survey import MaskLook, MaskSurvey
from s4former.curation.init.naming import with_names
from s4former.curation.init.suggestion import suggest_classes
from s4former.data import KNOWN


def described(folder: Path, *masks: list, name: str = "m.png", palette: dict | None = None):
    """Names by value, the ignored values, and what was said, for masks that hold these values."""
    own = palette or {}
    looks = [
        MaskLook(name, "8-bit", Counter(dict.fromkeys(values, 9)), {v: own[v] for v in values if v in own})
        for values in masks
    ]
    survey = MaskSurvey(looks, len(looks))
    found = with_names(suggest_classes(survey), survey, folder)
    names = {value: entry.name for entry in found.names for value in entry.values or ()}
    return names, set(found.ignore), " | ".join(found.said)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "soil\nweed\ncrop\n"),
        ("labels.txt", "__ignore__\nsoil\nweed\ncrop\n"),
        ("labels.txt", "0: soil\n1: weed\n2: crop"),
        ("label_names.txt", "2 crop\n0 soil\n1 weed"),
        ("_classes.csv", "Pixel Value, Class\n0, soil\n1, weed\n2, crop\n"),
        ("classes.csv", "name,value\nsoil,0\nweed,1\ncrop,2\n"),
        ("labels.json", '["soil", "weed", "crop"]'),
        ("id2label.json", '{"0": "soil", "1": "weed", "2": "crop"}'),
        ("dataset.json", '{"name": "x", "labels": {"soil": 0, "weed": 1, "crop": 2}}'),
        ("classes.json", '{"names": ["soil", "weed", "crop"], "colors": [[0,0,0], [9,9,9], [1,2,3]]}'),
        ("labels.json", '[{"id": 2, "name": "crop"}, {"id": 0, "name": "soil"}, {"id": 1, "name": "weed"}]'),
    ],
)
@pytest.mark.parametrize("above", [False, True])
def test_names_lie_beside_the_masks(tmp_path: Path, file: str, text: str, above: bool) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    (tmp_path / file if above else masks / file).write_text(text)
    names, _, said = described(masks, [0, 1], [0, 2])
    assert names == {0: "soil", 1: "weed", 2: "crop"}
    assert f"names of {file}" in said


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labelmap.txt", "# label:color_rgb:parts:actions\nvoid:0,0,0::\ncar:0,0,142::\nroad:128,64,128::\n"),
        ("class_dict.csv", "name,r,g,b\ncar,0,0,142\nroad,128,64,128\nvoid,0,0,0\n"),
        ("label_colors.txt", "0 0 0\tVoid\n0 0 142\tcar\n128 64 128\troad\n"),
        (
            "classes.json",
            json.dumps(
                {"classes": [{"title": "car", "color": "#00008e"}, {"title": "road", "color": "#804080"}]}
            ),
        ),
    ],
)
def test_names_by_color_and_what_is_void_is_unknown(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    black, car, road = (0, 0, 0), (0, 0, 142), (128, 64, 128)
    names, ignore, said = described(tmp_path, [black, car], [road])
    assert (names[car], names[road]) == ("car", "road")
    if "oid" in text:
        assert black not in names
        assert black in ignore
        assert "taken for unknown, as its name says" in said
    by_palette, *_ = described(tmp_path, [0, 1], [0, 2], palette={0: black, 1: car, 2: road})
    assert (by_palette[1], by_palette[2]) == ("car", "road")


def test_a_foreground_gets_its_name(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cell\n")
    assert described(tmp_path, [0, 255])[0] == {0: "background", 255: "cell"}
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert described(tmp_path, [0, 1, 2])[0] == {0: "background", 1: "a", 2: "b"}
    assert described(tmp_path, [5, 9])[0] == {5: "a", 9: "b"}


@pytest.mark.parametrize(
    "text", ["a\nb\nc\nd\n", "a\na\n", "\x00\x01", "", "{", "a,b,c,d\n1,2\n", "photo_1.jpg\n" * 7]
)
def test_a_list_that_does_not_fit_is_not_used_and_one_line_asks_for_names(tmp_path: Path, text: str) -> None:
    (tmp_path / "classes.txt").write_text(text)
    (tmp_path / "labels.json").write_bytes(b"\xff\xfe[1")
    names, _, said = described(tmp_path, [3, 7, 200])
    assert names == {3: "class_3", 7: "class_7", 200: "class_200"}
    assert f"into {tmp_path.name}/classes.txt, and type the same with --force" in said


def test_known_sets_are_told_by_color_values_or_names(tmp_path: Path) -> None:
    for name, few in (("voc", 5), ("cityscapes", 8), ("camvid", 6), ("ade20k", 30)):
        colors = KNOWN[name].colors[:few]
        names, ignore, _ = described(tmp_path, [*colors, (0, 0, 0)])
        assert [names[color] for color in colors][:4] == list(KNOWN[name].names[:4])
        assert ((0, 0, 0) in ignore) == (name != "voc")
    names, ignore, _ = described(tmp_path, [0, 7, 8, 26, 3], name="gtFine/a_gtFine_labelIds.png")
    assert (names[7], names[26], 3 in ignore) == ("road", "car", True)
    names, ignore, _ = described(tmp_path, [0, 1, 13, 255], name="a_gtFine_labelTrainIds.png")
    assert (names[0], names[13], ignore) == ("road", "car", {255})
    names, ignore, _ = described(tmp_path, list(range(0, 151, 2)))
    assert (names[2], 0 in ignore) == ("building", True)
    assert described(tmp_path, [0, 1, 2])[0] == {0: "class_0", 1: "class_1", 2: "class_2"}
