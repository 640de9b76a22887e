"""Which classes are suggested for masks that nobody has described."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s4former.config import DataError
from s4former.curation.init.mask_survey import MaskLook, MaskSurvey, survey_masks
from s4former.curation.init.suggestion import suggest_classes
from s4former.data import NODATA
from s4former.data.classes import default_colors

VOC = dict(enumerate(default_colors(256)))


Palette = dict[int, tuple[int, int, int]]


def look(*values: object, palette: Palette | None = None, name: str = "a.png", **rest: object) -> MaskLook:
    """One mask of ten pixels of each value; its palette is of these values, as in files."""
    own = {value: color for value, color in (palette or {}).items() if value in values}
    return MaskLook(name, "8-bit", Counter(dict.fromkeys(values, 10)), own, **rest)  # type: ignore[arg-type]


def survey(*values: object, palette: Palette | None = None) -> MaskSurvey:
    return MaskSurvey([look(*values, palette=palette)])


@pytest.mark.parametrize(
    ("found", "names", "values", "ignore"),
    [
        (survey(0, 255), "background foreground", [(0,), (255,)], ()),
        (survey(0, 1), "background foreground", [(0,), (1,)], ()),
        (survey(0, 7), "background foreground", [(0,), (7,)], ()),
        (survey(255), "background foreground", [(0,), (255,)], ()),
        (survey(0), "background foreground", [(0,), (1,)], ()),
        (survey(0, 1, 255), "background foreground", [(0,), (1,)], (255,)),
        (survey(1, 2), "class_1 class_2", [(1,), (2,)], ()),
        (survey(0, 1, 2), "class_0 class_1 class_2", [(0,), (1,), (2,)], ()),
        (survey(0, 1, 3, 255), "class_0 class_1 class_2 class_3", [(0,), (1,), (2,), (3,)], (255,)),
        (survey(1, 2, 3), "class_1 class_2 class_3", [(1,), (2,), (3,)], ()),
        (survey(0, 100, 200), "class_0 class_100 class_200", [(0,), (100,), (200,)], ()),
        (survey((0, 0, 0), (1, 2, 3)), "background class_1", [((0, 0, 0),), ((1, 2, 3),)], ()),
        (survey(0, (1, 2, 3)), "background class_1", [((0, 0, 0),), ((1, 2, 3),)], ()),
    ],
)
def test_suggestions(found: MaskSurvey, names: str, values: list[object], ignore: tuple[int, ...]) -> None:
    suggestion = suggest_classes(found)
    assert " ".join(entry.name for entry in suggestion.names) == names
    assert [entry.values for entry in suggestion.names] == values
    assert suggestion.ignore == ignore
    assert suggestion.said


def test_pascal_voc_is_known_by_its_palette_and_its_colors() -> None:
    suggestion = suggest_classes(survey(0, 3, 15, 255, palette=VOC))
    assert [entry.name for entry in suggestion.names][:2] == ["background", "aeroplane"]
    assert (len(suggestion.names), suggestion.ignore) == (21, (255,))
    suggestion = suggest_classes(survey((0, 0, 0), VOC[1], (224, 224, 192)))
    assert (len(suggestion.names), suggestion.ignore) == (2, ((224, 224, 192),))


def test_soft_edges_and_instances_are_no_classes() -> None:
    soft = look(*range(0, 256, 5), name="soft.png")
    soft.pixels.update({0: 9000, 255: 5000})
    crisp = [look(0, 255, name="crisp.png")] * 9
    for others in ([], crisp, [look(*range(9), name="classes.png")]):  # no crowd of others hides it
        with pytest.raises(DataError, match="nearly all pixels 0 or 255 and the rest between them") as error:
            suggest_classes(MaskSurvey([*others, soft]))
        assert f"1 of {len(others) + 1} masks (soft.png)" in str(error.value)
    with pytest.raises(DataError, match=r"more than 255 different values.*instances"):
        suggest_classes(survey(*range(400)))
    with pytest.raises(DataError, match="more than 255 different colors"):
        suggest_classes(survey(*((level, 0, 1) for level in range(256))))


def test_150_classes_are_classes() -> None:
    assert len(suggest_classes(survey(*range(150))).names) == 150


BLACK, RED, BLUE = (0, 0, 0), (220, 30, 30), (30, 30, 220)
ONE_WAY, OTHER_WAY = {0: BLACK, 1: RED, 2: BLUE}, {0: BLACK, 1: BLUE, 2: RED}


@pytest.mark.parametrize(
    ("looks", "values", "ignore", "said"),
    [
        # 255 beside 0 alone, others 0 and 1: one foreground.
        ([look(0, 1), look(0, 255, name="b.png")], [(0,), (1, 255)], (), "b.png.*1 are both taken"),
        ([look(0, 1), look(0, 255), look(0)], [(0,), (1, 255)], (), "ignore: \\[255\\]"),
        # 255 beside an object somewhere: unknown everywhere, and the doubtful file is named.
        ([look(0, 1, 255), look(0, 255, name="b.png")], [(0,), (1,)], (255,), "look at .*b.png"),
        # 255 in none of the files that hold classes: a class of its own, never silently ignored.
        ([look(0, 1, 2), look(0, 255)], [(0,), (1,), (2,), (255,)], (), "a class of its own"),
        # Masks that hold nothing else are not annotated.
        ([look(0, 1, 2), look(255, name="b.png")], [(0,), (1,), (2,)], (255,), "b.png.* nothing else"),
        ([look(0, 1), look(255)], [(0,), (1,)], (255,), "nothing else"),
        ([look(0, 128), look(255)], [(0,), (128,), (255,)], (), "a class of its own"),
        # Gray levels from black to white, together or each in its own file.
        ([look(0, 128, 255)], [(0,), (128,), (255,)], (), "gray levels"),
        ([look(0, 85, 170, 255)], [(0,), (85,), (170,), (255,)], (), "gray levels"),
        ([look(0, 128), look(0, 255)], [(0,), (128,), (255,)], (), "a class of its own"),
        # Pascal's few values with its border are no gray levels.
        ([look(0, 7, 15, 255)], [(0,), (7,), (15,)], (255,), "255 is taken for unknown"),
        ([look(0, 2, 65535)], [(0,), (2,)], (65535,), "65535 is taken for unknown"),
        ([look(0, 65535)], [(0,), (65535,)], (), "only 0 and 65535"),
        ([look(-1, 0, 1, 2)], [(0,), (1,), (2,)], (-1,), "-1 is taken for unknown"),
        ([look(-1, 1)], [(0,), (1,)], (-1,), "-1"),
        ([look(0)], [(0,), (1,)], (), "nothing but 0"),
        # No data, as files declare it.
        ([look(NODATA, 1, 2, nodata=0)], [(1,), (2,)], (0,), "0 to be no data: it is taken for unknown"),
        ([look(NODATA, 1, nodata=0)], [(0,), (1,)], (), "taken for a class"),
        ([look(NODATA, 0, 1)], [(0,), (1,)], (), "not a number"),
        # A page a class.
        ([look(1, 2, 3, pages=3)], [(0,), (1,), (2,)], (255,), "every pixel is in one"),
        ([look(0, 1, 2, pages=2)], [(0,), (1,), (2,)], (255,), "for background: page 1 is class_1"),
    ],
)
def test_each_mask_is_judged_before_all_are_taken_together(
    looks: list[MaskLook], values: list[object], ignore: tuple[int, ...], said: str
) -> None:
    suggestion = suggest_classes(MaskSurvey(looks))
    assert [entry.values for entry in suggestion.names] == values
    assert suggestion.ignore == ignore
    assert re.search(said, "\n".join(suggestion.said))


@pytest.mark.parametrize(
    ("looks", "values", "said"),
    [
        (
            [look(0, 1, 2, palette=ONE_WAY), look(0, 1, 2, palette=OTHER_WAY, name="b.png")],
            [(BLACK,), (RED,), (BLUE,)],
            r"index 1 is \[220, 30, 30\] in a.png and \[30, 30, 220\] in b.png",
        ),
        # One object each, every file's own first color: both have the index 1.
        (
            [look(0, 1, palette=ONE_WAY), look(0, 1, palette=OTHER_WAY)],
            [(BLACK,), (RED,), (BLUE,)],
            "index 1",
        ),
        ([look(0, 1, 2, palette=ONE_WAY), look(BLACK, RED)], [(BLACK,), (RED,), (BLUE,)], "read by color"),
        (
            [look(0, 1, 2, palette=ONE_WAY), look(BLACK, RED), look(0, 2, name="gray.png")],
            [(BLACK,), (RED,), (BLUE, 2)],
            "gray.png.* indices of the palette",
        ),
        # Gray levels that are no index: what they mean is for a person to say.
        (
            [look(0, 1, 2, palette=ONE_WAY), look(0, 76)],
            [(BLACK,), (RED,), (BLUE,), ((76, 76, 76),)],
            "read by color",
        ),
        ([look(0, 1, 2, palette=ONE_WAY), look(0, 1)], [(0,), (1,), (2,)], "no palette.* indices"),
        ([look(0, 1, 2, palette=ONE_WAY)] * 2, [(0,), (1,), (2,)], "3 classes"),
    ],
)
def test_an_index_means_something_only_with_its_palette(
    looks: list[MaskLook], values: list[object], said: str
) -> None:
    suggestion = suggest_classes(MaskSurvey(looks))
    assert [entry.values for entry in suggestion.names] == values
    assert re.search(said, "\n".join(suggestion.said))


def test_a_handful_of_pixels_does_not_make_white_unknown() -> None:
    def suggested(**pixels: int) -> tuple[list[object], tuple[object, ...], str]:
        held = Counter({0: 30_000, 255: 10_000, **{int(name[1:]): count for name, count in pixels.items()}})
        crisp, odd = look(0, 255), MaskLook("odd.png", "8-bit", held)  # type: ignore[arg-type]
        found = suggest_classes(MaskSurvey([crisp, odd]))
        return [entry.values for entry in found.names], found.ignore, "\n".join(found.said)

    values, ignore, said = suggested(v1=1, v254=3)
    assert (values, ignore) == ([(0,), (255,)], (1, 254))
    assert "1 (1 pixels), 254 (3 pixels) in 1 of 2 masks (odd.png): these are taken for unknown" in said
    assert "0 is taken for background and 255 for the class foreground" in said
    values, ignore, said = suggested(v1=1, v2=400)  # a class beside the stray: nothing is certain
    assert (values, ignore) == ([(0,), (1,), (2,)], (255,))
    values, ignore, said = suggested(v1=17)
    assert (values, ignore) == ([(0,), (1,)], (255,))
    points = Counter({0: 9, 1: 9, 255: 40_000})  # a few pixels of everything, and the rest unknown
    found = suggest_classes(MaskSurvey([MaskLook("a.png", "8-bit", points)]))  # type: ignore[arg-type]
    assert found.ignore == (255,)


def test_nearly_equal_colors_are_asked_about(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4], pixels[4:6], pixels[6:, :2] = (255, 0, 0), (254, 1, 0), (0, 0, 90)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    said = "\n".join(suggest_classes(survey_masks([tmp_path / "a.png"])).said)
    assert "nearly equal are a class each: [254, 1, 0] (16 pixels) and [255, 0, 0] (32);" in said
    Image.fromarray(pixels // 64).save(tmp_path / "a.png")  # numbers of classes in the red channel
    assert "nearly equal" not in "\n".join(suggest_classes(survey_masks([tmp_path / "a.png"])).said)


def test_colors_beneath_transparency_are_named(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 4), np.uint8)
    pixels[..., 3] = 0
    pixels[:9] = (200, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"255 different colors.*transparent in places"):
        suggest_classes(survey_masks([tmp_path / "a.png"]))


def test_what_cannot_be_decided_is_asked() -> None:
    same = {0: BLACK, 1: RED, 2: RED}
    with pytest.raises(DataError, match=r"a.png.* index 2 has the same color as 1, \[220, 30, 30\]"):
        suggest_classes(
            MaskSurvey([look(0, 1, 2, palette=same), look(0, 1, palette=OTHER_WAY, name="b.png")])
        )
    with pytest.raises(DataError, match=r"a.png has 3, b.png has no"):
        suggest_classes(MaskSurvey([look(1, 2, 3, pages=3), look(0, 1, name="b.png")]))
