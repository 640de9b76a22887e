"""Mask values to class indices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s4former.config import DataError
from s4former.data import NODATA, Classes, LabelMap
from s4former.types import IGNORE


def classes(count: int, ignore: tuple[int, ...] = (255,)) -> Classes:
    return Classes(tuple(f"c{i}" for i in range(count)), ((0, 0, 0),) * count, ignore)


@given(
    st.integers(1, 255),
    st.sets(st.integers(255, 65535), max_size=3),
    st.sampled_from([np.uint16, np.int32, np.int64]),
    st.randoms(use_true_random=False),
)
def test_against_a_plain_definition(count, ignore, dtype, random) -> None:
    allowed = [*range(count), *ignore]
    values = np.array([[random.choice(allowed) for _ in range(7)] for _ in range(5)], dtype=dtype)
    expected = np.where(np.isin(values, list(ignore)), IGNORE, values)
    labels = LabelMap(classes(count, tuple(ignore)))(values, "mask")
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize("value", [3, 254, 300, 65535, 70000, -1])
def test_unknown_values_are_errors(value: int) -> None:
    values = np.zeros((4, 4), np.int32)
    values[1, 1:3] = value
    with pytest.raises(
        DataError, match=rf"m\.png: unknown label value {value} \(2 pixels\); expected 0 to 2"
    ):
        LabelMap(classes(3))(values, "m.png")


def test_advice_fits_the_case() -> None:
    with pytest.raises(DataError, match="subtract 1"):
        LabelMap(classes(3))(np.array([[1, 2, 3]]), "m")
    with pytest.raises(DataError, match="255 means foreground"):
        LabelMap(classes(2, (7,)))(np.array([[0, 255]]), "m")
    with pytest.raises(DataError, match=r"5 \(1 pixels\), 6 .* and 2 more values"):
        LabelMap(classes(3))(np.arange(5, 12)[None], "m")


def test_no_value_need_be_ignored() -> None:
    with pytest.raises(DataError, match="or nothing to ignore"):
        LabelMap(classes(3, ()))(np.array([[255]]), "m")


values = st.one_of(
    st.integers(0, 300),
    st.sampled_from([500, 65535]),
    st.tuples(*[st.integers(0, 255)] * 3),
    st.sampled_from([(7, 7, 7), (0, 0, 0)]),
)


def as_number(value: int | tuple[int, int, int]) -> int | tuple[int, int, int]:
    """A gray and its level are one value, and cannot have two meanings."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


@st.composite
def meanings(draw: st.DrawFn) -> dict[int | tuple[int, int, int], int]:
    """Values and colors with the class of each, or IGNORE."""
    known = draw(st.lists(values, min_size=1, max_size=8, unique_by=as_number))
    return {value: draw(st.sampled_from([0, 1, 2, IGNORE])) for value in known}


def plain(meaning: dict[int | tuple[int, int, int], int], pixel: int | tuple[int, int, int]) -> int | None:
    """What a pixel means, in words: itself if that is known, else gray for number or number for gray."""
    if pixel in meaning:
        return meaning[pixel]
    other = (pixel,) * 3 if isinstance(pixel, int) else pixel[0] if len(set(pixel)) == 1 else None
    return meaning.get(other)  # type: ignore[call-overload]


def label_map(meaning: dict[int | tuple[int, int, int], int]) -> LabelMap:
    own = tuple(tuple(value for value, index in meaning.items() if index == k) for k in range(3))
    ignore = tuple(value for value, index in meaning.items() if index == IGNORE)
    return LabelMap(Classes(("a", "b", "c"), ((0, 0, 0),) * 3, ignore, own))


@given(meanings(), st.booleans(), st.randoms(use_true_random=False))
def test_values_and_colors_against_a_plain_definition(meaning, in_color, random) -> None:
    """Masks of known pixels, some of them a number where a gray is meant or the other way round."""
    grays = [(value,) * 3 for value in meaning if isinstance(value, int) and value < 256]
    numbers = [value[0] for value in meaning if isinstance(value, tuple) and len(set(value)) == 1]
    known = [value for value in meaning if isinstance(value, tuple) == in_color]
    known += grays if in_color else numbers
    if not known:
        return
    pixels = [[random.choice(known) for _ in range(4)] for _ in range(3)]
    array = np.array(pixels, dtype=np.uint8 if in_color else np.int32)
    expected = [[plain(meaning, pixel) for pixel in row] for row in pixels]
    assert label_map(meaning)(array, "mask").tolist() == expected


@given(meanings(), values)
def test_what_nobody_named_is_an_error_and_nothing_else_is(meaning, pixel) -> None:
    array = np.array([[pixel]], dtype=np.uint8 if isinstance(pixel, tuple) else np.int32)
    if plain(meaning, pixel) is None:
        with pytest.raises(DataError, match=r"m\.png: unknown label value .*\(1 pixels\)"):
            label_map(meaning)(array, "m.png")
    else:
        assert label_map(meaning)(array, "m.png")[0, 0] == plain(meaning, pixel)


def in_dataset(*own: tuple[int | tuple[int, int, int], ...], ignore: tuple[int, ...] = ()) -> LabelMap:
    names = ("background", "cell", "wall")[: len(own)]
    return LabelMap(Classes(names, ((0, 0, 0),) * len(own), ignore, own))


@pytest.mark.parametrize(
    ("labels", "mask", "fixes"),
    [
        (in_dataset((0,), (1,)), [[0, 255]], ["{name: cell, values: [255]}", "ignore: [255]"]),
        (in_dataset((0,), (1,)), [[0, 1, 7]], ["{name: NAME, values: [7]}", "ignore: [7]"]),
        (in_dataset((0,), (1,), ignore=(9,)), [[0, 1, 7]], ["{name: NAME, values: [7]}", "ignore: [9, 7]"]),
        (in_dataset((0,), (1,)), [[1, 2]], ["from 1", "{name: background, values: [1]}", "ignore: [2]"]),
        (in_dataset((0,), (1,)), [[[0, 0, 0], [9, 8, 7]]], ["{name: cell, values: [[9, 8, 7]]}"]),
        (in_dataset((0,), (255,)), [list(range(50))], ["49 different values", "without smoothing"]),
    ],
)
def test_errors_say_what_to_write_into_the_dataset_file(labels: LabelMap, mask, fixes: list[str]) -> None:
    with pytest.raises(DataError) as error:
        labels(np.array(mask, np.uint8), "m.png")
    for fix in fixes:
        assert fix in str(error.value)


def test_values_below_0_and_wide_ones_may_be_named() -> None:
    labels = LabelMap(Classes(("a", "b"), ((0, 0, 0),) * 2, (-1, 4294967295), ((0,), (70000,))))
    for dtype in (np.int32, np.int64):
        found = labels(np.array([[-1, 0, 70000]], dtype), "m")
        assert found.tolist() == [[IGNORE, 0, 1]]
    assert labels(np.array([[4294967295, 0]], np.uint32), "m").tolist() == [[IGNORE, 0]]
    assert labels(np.array([[NODATA, 0]], np.int32), "m").tolist() == [[IGNORE, 0]]
    with pytest.raises(DataError, match=r"unknown label value -2 .* ignore: \[-1, 4294967295, -2\]"):
        labels(np.array([[-2, 0, 70000]]), "m")


@pytest.mark.parametrize("ignored", [0, (0, 0, 0)])
def test_a_gray_and_its_level_are_one_value(ignored: int | tuple[int, int, int]) -> None:
    for own in (0, (0, 0, 0)):
        with pytest.raises(DataError, match="both the class 'a' and a value to ignore"):
            Classes(("a",), ((0, 0, 0),), (ignored,), ((own,),))
