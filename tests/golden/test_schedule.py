"""Golden ``schedule``: the learning rates of the released configurations."""

from __future__ import annotations

import re

import pytest
from golden_data import load_arrays

from s4former.ops import poly

BASE = {"backbone": 0.001, "head": 0.01}
FLOOR = 1e-4


def test_poly_equals_the_released_rates(golden):
    arrays = load_arrays(golden("schedule.npz"))
    steps = arrays.pop("iterations").tolist()
    assert arrays
    for key, rates in arrays.items():
        match = re.fullmatch(r"lr\.(backbone|head)\.max(\d+)", key)
        assert match, f"unexpected array {key}"
        part, last = match[1], int(match[2])
        actual = [poly(step, last, BASE[part], FLOOR, power=0.9) for step in steps]
        assert actual == pytest.approx(rates.tolist(), rel=1e-12, abs=0)
