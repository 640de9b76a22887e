"""Mask values to class indices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s4former.config.errors import DataError
from s4former.data.labels import LabelMap
from s4former.data.sources.base import Classes
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
